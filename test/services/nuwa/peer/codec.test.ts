import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../services/base/random.ts';
import type { PeerMessage } from '../../../../services/nuwa/core/member/types.ts';
import type { Entry, RaftMessage } from '../../../../services/nuwa/core/raft/types.ts';
import { decodeMessages, encodeMessages } from '../../../../services/nuwa/peer/codec.ts';

const SEED = Number(process.env.FEITIAN_SEED ?? Date.now() % 1_000_000);
const LARGE = Number.MAX_SAFE_INTEGER;

const config = {
  members: [
    { id: 'nuwa-1', address: 'tcp://[::1]:7', role: 'voter' as const },
    { id: '二', address: '', role: 'learner' as const },
  ],
};
const entries: Entry[] = [
  { index: 7, term: 3, kind: 'noop', timeMs: 0, data: Buffer.alloc(0) },
  { index: 8, term: 3, kind: 'commands', timeMs: 1_800_000_000_123, data: Buffer.from([1, 2, 255]) },
  { index: 9, term: LARGE, kind: 'config', timeMs: LARGE, data: Buffer.alloc(0), config },
];
const raft: RaftMessage[] = [
  { kind: 'vote', term: 4, pre: true, force: false, lastIndex: 9, lastTerm: 3 },
  { kind: 'vote', term: 4, pre: false, force: true, lastIndex: LARGE, lastTerm: 0 },
  { kind: 'voteReply', term: 4, pre: true, granted: false },
  { kind: 'voteReply', term: 4, pre: false, granted: true },
  { kind: 'append', term: 4, prevIndex: 6, prevTerm: 2, entries, commit: 5, round: 11 },
  { kind: 'append', term: 4, prevIndex: 0, prevTerm: 0, entries: [], commit: 0, round: 0 },
  { kind: 'appendReply', term: 4, round: 11, accepted: true, matchIndex: 9, conflictIndex: undefined, conflictTerm: undefined },
  { kind: 'appendReply', term: 4, round: 11, accepted: false, matchIndex: 9, conflictIndex: 1, conflictTerm: 0 },
  { kind: 'appendReply', term: 4, round: 11, accepted: false, matchIndex: 9, conflictIndex: 0, conflictTerm: undefined },
  { kind: 'snapshot', term: 4, index: 100, indexTerm: 3, round: 12 },
  { kind: 'timeoutNow', term: 4 },
];
const messages: PeerMessage[] = [
  ...raft.map((message): PeerMessage => ({ kind: 'raft', message })),
  { kind: 'forward', term: 4, batchId: 77, batch: Buffer.from('batch') },
  { kind: 'refused', batchId: 77 },
  { kind: 'ask', term: 4, askId: LARGE, sessions: ['s1', '会话'] },
  { kind: 'answer', askId: LARGE, index: 9, gone: [] },
  { kind: 'noAnswer', askId: 1 },
  { kind: 'touched', sessions: ['s1'] },
];

describe('messages between servers', () => {
  it('come back as they were, each alone and all together', () => {
    for (const message of messages) expect(decodeMessages(encodeMessages([message]))).toEqual([message]);
    expect(decodeMessages(encodeMessages(messages))).toEqual(messages);
    expect(decodeMessages(encodeMessages([]))).toEqual([]);
  });

  it('that lost a byte, or had one changed, are refused', () => {
    const bytes = encodeMessages(messages);
    for (let i = 0; i < bytes.length; i++) {
      const changed = Uint8Array.from(bytes);
      changed[i]! ^= 1 << (i % 8);
      expect(() => decodeMessages(changed)).toThrow();
      expect(() => decodeMessages(bytes.subarray(0, i))).toThrow();
    }
  });

  it(`that are nonsense under a checksum that fits are refused, or are messages, but never more than there are bytes (seed ${SEED})`, () => {
    const random = seededRandom(SEED);
    const whole = Buffer.from(encodeMessages(messages));
    for (let i = 0; i < 3_000; i++) {
      const content = Buffer.from(whole.subarray(0, whole.length - 4));
      for (let changes = 0; changes <= random.int(6); changes++) content[1 + random.int(content.length - 1)] = random.int(256);
      const cut = content.subarray(0, 1 + random.int(content.length));
      const tail = Buffer.alloc(4);
      tail.writeUInt32BE(checksum(cut));
      const bytes = Buffer.concat([cut, tail]);
      try {
        expect(decodeMessages(bytes).length, `seed ${SEED}, case ${i}`).toBeLessThan(bytes.length);
      } catch (error) {
        expect(error, `seed ${SEED}, case ${i}`).toBeInstanceOf(Error);
      }
    }
  });
});

/** CRC32C, bit by bit. */
function checksum(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
  }
  return (crc ^ 0xffff_ffff) >>> 0;
}
