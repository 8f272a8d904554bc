import { crc32c } from '@node-rs/crc32';
import { assertNever } from '../../base/assert.ts';
import { BytesReader } from '../core/member/bytes-reader.ts';
import { BytesWriter } from '../core/member/bytes-writer.ts';
import type { PeerMessage } from '../core/member/types.ts';
import type { Entry, GroupConfig, RaftMessage } from '../core/raft/types.ts';

/**
 * Messages between servers as bytes: fields one after the other, a CRC32C of all of it behind. TCP's own checksum is weak, and one byte that
 * went wrong here would go into the log of every server.
 *
 * Servers of one group may run two versions while they are replaced one by one: a change of the format needs a new FORMAT, which is not sent
 * before all servers read it.
 */
const FORMAT = 1;
const CRC_BYTES = 4;

const KIND = { raft: 0, forward: 1, refused: 2, ask: 3, answer: 4, noAnswer: 5, touched: 6 } as const;
const RAFT_KIND = { vote: 0, voteReply: 1, append: 2, appendReply: 3, snapshot: 4, timeoutNow: 5 } as const;
const ENTRY_KINDS = ['noop', 'commands', 'config'] as const;

const writer = new BytesWriter();

export function encodeMessages(messages: readonly PeerMessage[]): Uint8Array {
  writer.begin();
  writer.byte(FORMAT);
  writer.uint(messages.length);
  for (const message of messages) writeMessage(message);
  writer.uint32(crc32c(writer.written()));
  return writer.take();
}

/** Throws an Error that says what is wrong. */
export function decodeMessages(bytes: Uint8Array): PeerMessage[] {
  const content = Buffer.from(bytes.buffer, bytes.byteOffset, Math.max(0, bytes.length - CRC_BYTES));
  const tail = Buffer.from(bytes.buffer, bytes.byteOffset + content.length, bytes.length - content.length);
  if (tail.length < CRC_BYTES || tail.readUInt32BE() !== crc32c(content)) throw new Error('the checksum does not fit');
  const reader = new BytesReader(content);
  const format = reader.byte();
  if (format !== FORMAT) throw new Error(`messages of format ${format}, this server reads ${FORMAT}`);
  const messages = new Array<PeerMessage>(reader.count());
  for (let i = 0; i < messages.length; i++) messages[i] = readMessage(reader);
  return messages;
}

/** Roughly what it takes as bytes. */
export function messageBytes(message: PeerMessage): number {
  if (message.kind === 'forward') return HEAD_BYTES + message.batch.length;
  if (message.kind !== 'raft' || message.message.kind !== 'append') return HEAD_BYTES;
  let bytes = HEAD_BYTES;
  for (const { data } of message.message.entries) bytes += HEAD_BYTES + data.length;
  return bytes;
}

const HEAD_BYTES = 32;

function writeMessage(message: PeerMessage): void {
  writer.byte(KIND[message.kind]);
  switch (message.kind) {
    case 'raft':
      return writeRaft(message.message);
    case 'forward':
      writer.uint(message.term);
      writer.uint(message.batchId);
      return writer.bytes(message.batch);
    case 'refused':
      return writer.uint(message.batchId);
    case 'ask':
      writer.uint(message.term);
      writer.uint(message.askId);
      return writer.texts(message.sessions);
    case 'answer':
      writer.uint(message.askId);
      writer.uint(message.index);
      return writer.texts(message.gone);
    case 'noAnswer':
      return writer.uint(message.askId);
    case 'touched':
      return writer.texts(message.sessions);
    default:
      assertNever(message);
  }
}

function readMessage(reader: BytesReader): PeerMessage {
  const kind = reader.byte();
  switch (kind) {
    case KIND.raft:
      return { kind: 'raft', message: readRaft(reader) };
    case KIND.forward:
      return { kind: 'forward', term: reader.uint(), batchId: reader.uint(), batch: copyOf(reader.bytes()) };
    case KIND.refused:
      return { kind: 'refused', batchId: reader.uint() };
    case KIND.ask:
      return { kind: 'ask', term: reader.uint(), askId: reader.uint(), sessions: reader.texts() };
    case KIND.answer:
      return { kind: 'answer', askId: reader.uint(), index: reader.uint(), gone: reader.texts() };
    case KIND.noAnswer:
      return { kind: 'noAnswer', askId: reader.uint() };
    case KIND.touched:
      return { kind: 'touched', sessions: reader.texts() };
    default:
      throw new Error(`a message of kind ${kind}`);
  }
}

// ---- Raft's own ----

function writeRaft(message: RaftMessage): void {
  writer.byte(RAFT_KIND[message.kind]);
  writer.uint(message.term);
  switch (message.kind) {
    case 'vote':
      writer.byte((message.pre ? 1 : 0) | (message.force ? 2 : 0));
      writer.uint(message.lastIndex);
      return writer.uint(message.lastTerm);
    case 'voteReply':
      return writer.byte((message.pre ? 1 : 0) | (message.granted ? 2 : 0));
    case 'append':
      writer.uint(message.prevIndex);
      writer.uint(message.prevTerm);
      writer.uint(message.commit);
      writer.uint(message.round);
      writer.uint(message.entries.length);
      for (const entry of message.entries) writeEntry(entry);
      return;
    case 'appendReply':
      writer.uint(message.round);
      writer.byte(
        (message.accepted ? 1 : 0) | (message.conflictIndex === undefined ? 0 : 2) | (message.conflictTerm === undefined ? 0 : 4),
      );
      writer.uint(message.matchIndex);
      if (message.conflictIndex !== undefined) writer.uint(message.conflictIndex);
      if (message.conflictTerm !== undefined) writer.uint(message.conflictTerm);
      return;
    case 'snapshot':
      writer.uint(message.index);
      writer.uint(message.indexTerm);
      return writer.uint(message.round);
    case 'timeoutNow':
      return;
    default:
      assertNever(message);
  }
}

function readRaft(reader: BytesReader): RaftMessage {
  const kind = reader.byte();
  const term = reader.uint();
  switch (kind) {
    case RAFT_KIND.vote: {
      const flags = reader.byte();
      return { kind: 'vote', term, pre: (flags & 1) !== 0, force: (flags & 2) !== 0, lastIndex: reader.uint(), lastTerm: reader.uint() };
    }
    case RAFT_KIND.voteReply: {
      const flags = reader.byte();
      return { kind: 'voteReply', term, pre: (flags & 1) !== 0, granted: (flags & 2) !== 0 };
    }
    case RAFT_KIND.append: {
      const prevIndex = reader.uint();
      const prevTerm = reader.uint();
      const commit = reader.uint();
      const round = reader.uint();
      const entries = new Array<Entry>(reader.count());
      for (let i = 0; i < entries.length; i++) entries[i] = readEntry(reader);
      return { kind: 'append', term, prevIndex, prevTerm, entries, commit, round };
    }
    case RAFT_KIND.appendReply: {
      const round = reader.uint();
      const flags = reader.byte();
      const matchIndex = reader.uint();
      const conflictIndex = flags & 2 ? reader.uint() : undefined;
      const conflictTerm = flags & 4 ? reader.uint() : undefined;
      return { kind: 'appendReply', term, round, accepted: (flags & 1) !== 0, matchIndex, conflictIndex, conflictTerm };
    }
    case RAFT_KIND.snapshot:
      return { kind: 'snapshot', term, index: reader.uint(), indexTerm: reader.uint(), round: reader.uint() };
    case RAFT_KIND.timeoutNow:
      return { kind: 'timeoutNow', term };
    default:
      throw new Error(`a message of Raft of kind ${kind}`);
  }
}

function writeEntry({ index, term, kind, timeMs, data, config }: Entry): void {
  writer.uint(index);
  writer.uint(term);
  writer.byte(ENTRY_KINDS.indexOf(kind));
  writer.uint(timeMs);
  writer.bytes(data);
  if (kind === 'config') writeConfig(config!);
}

function readEntry(reader: BytesReader): Entry {
  const index = reader.uint();
  const term = reader.uint();
  const kind = ENTRY_KINDS[reader.byte()];
  if (!kind) throw new Error('an entry of a kind that is none');
  const timeMs = reader.uint();
  const data = copyOf(reader.bytes());
  return kind === 'config' ? { index, term, kind, timeMs, data, config: readConfig(reader) } : { index, term, kind, timeMs, data };
}

function writeConfig({ members }: GroupConfig): void {
  writer.uint(members.length);
  for (const { id, address, role } of members) {
    writer.text(id);
    writer.text(address);
    writer.byte(role === 'voter' ? 1 : 0);
  }
}

function readConfig(reader: BytesReader): GroupConfig {
  const members = new Array<GroupConfig['members'][number]>(reader.count());
  for (let i = 0; i < members.length; i++)
    members[i] = { id: reader.text(), address: reader.text(), role: reader.byte() ? 'voter' : 'learner' };
  return { members };
}

/** An entry stays in memory far longer than the message it came in, which may hold many more. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return Buffer.from(bytes);
}
