import { expect, test } from 'vitest';
import { seededRandom } from '../../../../services/base/random.ts';
import { FRAME_BYTES_MAX, FRAME_KINDS, HEADER_BYTES, writeHeader } from '../../../../services/kuafu/core/frame.ts';
import { FrameBoundary } from '../../../../services/kuafu/core/frame-boundary.ts';

function frameOf(bodyBytes: number): Buffer {
  const frame = Buffer.alloc(HEADER_BYTES + bodyBytes, 0xff);
  writeHeader(frame, 0, { kind: FRAME_KINDS.reply, flags: 0, number: 0, id: 7, bodyBytes, attachmentBytes: 0 });
  return frame;
}

test('a boundary is reached before the first byte, and where a frame ends', () => {
  const boundary = new FrameBoundary();
  expect(boundary.reached).toBe(true);
  expect(boundary.pass(frameOf(3))).toBe(HEADER_BYTES + 3);
  expect(boundary.reached).toBe(true);
  expect(boundary.pass(frameOf(3).subarray(0, 10))).toBe(-1);
  expect(boundary.reached).toBe(false);
});

test('the last of several is found, in whatever pieces frames come', () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = seededRandom(seed);
  const frames = Array.from({ length: 200 }, () => frameOf(random.int(40)));
  const bytes = Buffer.concat(frames);
  const ends = new Set<number>();
  let end = 0;
  for (const { length } of frames) ends.add((end += length));
  const boundary = new FrameBoundary();
  for (let at = 0; at < bytes.length; ) {
    const chunk = bytes.subarray(at, at + 1 + random.int(random.int(2) ? 5 : 150));
    const inChunk = [...ends].filter((each) => each > at && each <= at + chunk.length).map((each) => each - at);
    expect(boundary.pass(chunk), `seed ${seed}, at ${at}`).toBe(inChunk.at(-1) ?? -1);
    at += chunk.length;
    expect(boundary.reached, `seed ${seed}, at ${at}`).toBe(ends.has(at));
  }
});

test.each([0, HEADER_BYTES - 1, FRAME_BYTES_MAX + 1, 0xffff_ffff])(
  'bytes that are no frames have no boundary ever after: a length of %i',
  (length) => {
    const boundary = new FrameBoundary();
    const bytes = Buffer.alloc(64);
    bytes.writeUInt32BE(length, 0);
    expect(boundary.pass(bytes)).toBe(-1);
    expect(boundary.reached).toBe(false);
    expect(boundary.pass(frameOf(0))).toBe(-1);
    expect(boundary.reached).toBe(false);
  },
);
