import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../services/base/random.ts';
import { decodeFrames, encodeFrame, type LogFrame, marksOf } from '../../../../services/pangu/core/log-frame.ts';
import { crc } from '../../../../services/pangu/crc.ts';

const frame = (offset: number, ...calls: [string, number, number][]): LogFrame => ({
  offset,
  length: calls.reduce((sum, [, , length]) => sum + length, 0),
  dataCrc: offset + 7,
  calls: calls.map(([writer, sequence, length]) => ({ writer, sequence, length })),
});
const frames = [frame(0, ['log-a', 1, 10], ['log-b', 5, 3]), frame(13, ['log-a', 2, 100]), frame(113, ['log-ü', 2 ** 40, 1])];
const encoded = Buffer.concat(frames.map((each) => encodeFrame(each, crc)));

describe('the frames of a log', () => {
  it('are read back as they were written', () => {
    expect(decodeFrames(encoded, crc)).toEqual({ frames, bytes: encoded.length });
    expect(decodeFrames(Buffer.concat([encoded, Buffer.alloc(100)]), crc)).toEqual({ frames, bytes: encoded.length });
    expect(decodeFrames(new Uint8Array(), crc)).toEqual({ frames: [], bytes: 0 });
  });

  it('end before the first that is torn, whatever of it is there', () => {
    for (let cut = 0; cut < encoded.length; cut++) {
      const { frames: found } = decodeFrames(encoded.subarray(0, cut), crc);
      expect(found).toEqual(frames.slice(0, found.length));
      expect(found.length).toBeLessThan(3);
    }
    const seed = Date.now() % 1_000_000;
    const random = seededRandom(seed);
    for (let i = 0; i < 300; i++) {
      const torn = Buffer.from(encoded);
      torn[random.int(torn.length)]! ^= 1 << random.int(8);
      const { frames: found } = decodeFrames(torn, crc);
      expect(found.length, `seed ${seed}`).toBeLessThan(3);
      expect(found, `seed ${seed}`).toEqual(frames.slice(0, found.length));
    }
  });

  it('end before one that does not follow', () => {
    const gap = Buffer.concat([frames[0]!, frames[2]!].map((each) => encodeFrame(each, crc)));
    expect(decodeFrames(gap, crc).frames).toEqual([frames[0]]);
  });

  it('tell where the last call of each writer stands in what is left', () => {
    expect(marksOf(frames, 114)).toEqual([
      { writer: 'log-a', sequence: 2, offset: 13 },
      { writer: 'log-b', sequence: 5, offset: 10 },
      { writer: 'log-ü', sequence: 2 ** 40, offset: 113 },
    ]);
    expect(marksOf(frames, 13)).toEqual([
      { writer: 'log-a', sequence: 1, offset: 0 },
      { writer: 'log-b', sequence: 5, offset: 10 },
    ]);
  });
});
