import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cutAtChunks } from '../../../../services/pangu/core/file-ranges.ts';

it('cuts any range into pieces that cover it exactly, each within one chunk and one aligned step of it', () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 8 });
  fc.assert(
    fc.property(lengths, fc.nat(250), fc.nat(250), fc.integer({ min: 1, max: 16 }), (chunkLengths, position, length, pieceBytes) => {
      let size = 0;
      const chunks = chunkLengths.map((length) => {
        const chunk = { offset: size, length };
        size += length;
        return chunk;
      });
      const ranges = cutAtChunks(chunks, position, length, pieceBytes);
      let at = position;
      for (const range of ranges) {
        expect(range.chunk.offset + range.offset).toBe(at);
        expect(range.length).toBeGreaterThan(0);
        expect(range.offset + range.length).toBeLessThanOrEqual(range.chunk.length);
        expect(Math.floor(range.offset / pieceBytes)).toBe(Math.floor((range.offset + range.length - 1) / pieceBytes));
        at += range.length;
      }
      expect(at).toBe(position < size ? Math.min(position + length, size) : position);
    }),
  );
});
