import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BLOCK_BYTES } from '../../../../services/pangu/contract.ts';
import {
  dataOffset,
  decodeIdent,
  decodeRecord,
  encodeIdent,
  encodeRecord,
  readableRecords,
  recordOffset,
  TABLE_OFFSET,
} from '../../../../services/pangu/core/chunk-format.ts';
import { crc } from '../../../../services/pangu/crc.ts';

const record = fc.record({
  sequence: fc.integer({ min: 1, max: 2 ** 40 }),
  length: fc.integer({ min: 0, max: 2 ** 30 }),
  tailCrc: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  sealed: fc.boolean(),
});

describe('the chunk file format', () => {
  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(record, (value) => {
        expect(decodeRecord(encodeRecord(value, crc), crc)).toEqual(value);
      }),
    );
    const ident = { chunk: 'c-0123456789abcdef', capacityBytes: 64 * 1024 * 1024 };
    expect(decodeIdent(encodeIdent(ident, crc), crc)).toEqual(ident);
  });

  it('takes no record or ident with a changed byte', () => {
    fc.assert(
      fc.property(record, fc.nat(511), fc.integer({ min: 1, max: 255 }), (value, at, flip) => {
        const bytes = encodeRecord(value, crc);
        bytes[at]! ^= flip;
        expect(decodeRecord(bytes, crc)).toBeUndefined();
        const ident = encodeIdent({ chunk: 'c-1', capacityBytes: BLOCK_BYTES }, crc);
        ident[at]! ^= flip;
        expect(decodeIdent(ident, crc)).toBeUndefined();
      }),
    );
  });

  it('keeps room for a checksum of every block before the data', () => {
    expect(dataOffset(BLOCK_BYTES)).toBe(8192);
    expect(dataOffset(64 * 1024 * 1024)).toBe(8192);
    expect(dataOffset(1024 * 1024 * 1024)).toBe(TABLE_OFFSET + 65536);
  });

  it('finds the records of a page, the newest first, without those longer than the chunk can be', () => {
    const page = new Uint8Array(TABLE_OFFSET);
    const older = { sequence: 4, length: 100, tailCrc: 1, sealed: false };
    const newer = { sequence: 5, length: 200, tailCrc: 2, sealed: true };
    for (const each of [older, newer]) page.set(encodeRecord(each, crc), recordOffset(each.sequence));
    expect(readableRecords(page, BLOCK_BYTES, crc)).toEqual([newer, older]);
    page.set(encodeRecord({ ...newer, length: BLOCK_BYTES + 1 }, crc), recordOffset(newer.sequence));
    expect(readableRecords(page, BLOCK_BYTES, crc)).toEqual([older]);
  });
});
