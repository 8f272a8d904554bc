import type { DiskWrite, Entry, GroupConfig, HardState } from '../core/raft/types.ts';

/**
 * What a frame of a segment holds: the writes that were synced together, as records one after the other. The data of an entry is taken as
 * it is, so that what travels between servers, lies in their logs and is applied is encoded once.
 *
 *   hard state   1 byte   1
 *                8        term
 *                1        bytes of the vote, 0: none; the vote
 *   entry        1 byte   2: commands, 3: noop, 4: config (its data is the configuration as JSON)
 *                8, 8, 8  index, term, timeMs
 *                4        bytes of the data; the data
 *
 * Numbers are big-endian; those of 8 bytes are IEEE doubles, whole numbers all.
 */
const HARD_STATE = 1;
const ENTRY_KINDS = { commands: 2, noop: 3, config: 4 } as const;
const KIND_NAMES = new Map(Object.entries(ENTRY_KINDS).map(([name, code]) => [code as number, name as Entry['kind']]));
const ENTRY_HEAD_BYTES = 29;

/** All in one buffer: copying a few hundred bytes per entry costs less than a piece per entry in a vectored write. */
export function encodeWrites(writes: readonly DiskWrite[]): Buffer {
  let bytes = 0;
  const configs = new Map<Entry, Buffer>();
  for (const { hardState, entries } of writes) {
    if (hardState) bytes += 10 + Buffer.byteLength(hardState.vote ?? '');
    for (const entry of entries) {
      let { data } = entry;
      if (entry.kind === 'config') {
        data = Buffer.from(JSON.stringify(entry.config));
        configs.set(entry, data as Buffer);
      }
      bytes += ENTRY_HEAD_BYTES + data.length;
    }
  }
  const buffer = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const { hardState, entries } of writes) {
    if (hardState) at = writeHardState(buffer, at, hardState);
    for (const entry of entries) at = writeEntry(buffer, at, entry, configs.get(entry) ?? entry.data);
  }
  return buffer;
}

function writeHardState(buffer: Buffer, at: number, { term, vote = '' }: HardState): number {
  buffer[at] = HARD_STATE;
  buffer.writeDoubleBE(term, at + 1);
  const voteBytes = buffer.write(vote, at + 10);
  buffer[at + 9] = voteBytes;
  return at + 10 + voteBytes;
}

function writeEntry(buffer: Buffer, at: number, { index, term, kind, timeMs }: Entry, data: Uint8Array): number {
  buffer[at] = ENTRY_KINDS[kind];
  buffer.writeDoubleBE(index, at + 1);
  buffer.writeDoubleBE(term, at + 9);
  buffer.writeDoubleBE(timeMs, at + 17);
  buffer.writeUInt32BE(data.length, at + 25);
  buffer.set(data, at + ENTRY_HEAD_BYTES);
  return at + ENTRY_HEAD_BYTES + data.length;
}

export type Record = { hardState: HardState; entry?: undefined } | { hardState?: undefined; entry: Entry };

/** The records of a frame; the data of entries are copies, or each would keep its whole segment in memory. Throws where it is no record. */
export function* decodeRecords(payload: Buffer): Generator<Record> {
  for (let at = 0; at < payload.length; ) {
    const code = payload[at]!;
    if (code === HARD_STATE) {
      const voteBytes = payload[at + 9]!;
      const vote = voteBytes === 0 ? undefined : payload.toString('utf8', at + 10, at + 10 + voteBytes);
      yield { hardState: { term: payload.readDoubleBE(at + 1), vote } };
      at += 10 + voteBytes;
      continue;
    }
    const kind = KIND_NAMES.get(code);
    if (!kind) throw new Error(`a record of unknown kind ${code}`);
    const end = at + ENTRY_HEAD_BYTES + payload.readUInt32BE(at + 25);
    if (end > payload.length) throw new Error('an entry that is longer than its frame');
    const head = { index: payload.readDoubleBE(at + 1), term: payload.readDoubleBE(at + 9), kind, timeMs: payload.readDoubleBE(at + 17) };
    const data = payload.subarray(at + ENTRY_HEAD_BYTES, end);
    if (kind === 'config') yield { entry: { ...head, data: NO_DATA, config: JSON.parse(data.toString('utf8')) as GroupConfig } };
    else yield { entry: { ...head, data: new Uint8Array(data) } };
    at = end;
  }
}

const NO_DATA = new Uint8Array(0);

/** A frame ends with the entry that takes it past this. */
const FRAME_BYTES = 8 * 1024 * 1024;

/** By entries, so that no frame is larger than readers take. */
export function* portionsOf(writes: readonly DiskWrite[]): Generator<DiskWrite[]> {
  let portion: DiskWrite[] = [];
  let bytes = 0;
  for (const { seq, hardState, entries } of writes) {
    let taken: Entry[] = [];
    portion.push({ seq, ...(hardState ? { hardState } : {}), entries: taken });
    for (const entry of entries) {
      taken.push(entry);
      bytes += entry.data.length + 64;
      if (bytes < FRAME_BYTES) continue;
      yield portion;
      portion = [{ seq, entries: (taken = []) }];
      bytes = 0;
    }
  }
  if (portion.some(({ hardState, entries }) => hardState !== undefined || entries.length > 0)) yield portion;
}
