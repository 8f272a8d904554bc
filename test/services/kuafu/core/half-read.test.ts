import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  FRAME_KINDS,
  FRAME_LIMITS,
  type FrameHeader,
  HEADER_BYTES,
  UNKNOWN_LIMITS,
  writeHeader,
} from '../../../../services/kuafu/core/frame.ts';
import { FrameParser } from '../../../../services/kuafu/core/frame-parser.ts';
import { HalfRead } from '../../../../services/kuafu/core/half-read.ts';

const MIB = 1024 * 1024;

function headerOf(bodyBytes: number, attachmentBytes: number, id = 1): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  writeHeader(bytes, 0, { kind: FRAME_KINDS.request, flags: 0, number: 0, id, bodyBytes, attachmentBytes });
  return bytes;
}

function frameOf(body: Uint8Array, attachment: Uint8Array, id: number): Buffer {
  return Buffer.concat([headerOf(body.length, attachment.length, id), body, attachment]);
}

test('headers alone take half of the bound at most, and memory beyond grows with what has come', () => {
  const account = new HalfRead(64 * MIB);
  const taken: number[] = [];
  const allocate = (bytes: number): Buffer => {
    taken.push(bytes);
    return Buffer.allocUnsafeSlow(bytes);
  };
  const parsers = Array.from({ length: 100 }, () => new FrameParser(() => {}, { account, allocate }));
  for (const parser of parsers) expect(parser.push(headerOf(0, 30 * MIB))).toBeUndefined();
  expect(account.bytes).toBeLessThanOrEqual(32 * MIB + 100 * 256 * 1024);
  expect(Math.max(...taken.slice(1))).toBe(256 * 1024);
  for (const parser of parsers) parser.stop();
  expect(account.bytes).toBe(0);
});

test('strangers, however many, take no room from those who were let in, nor from each other for good', () => {
  const account = new HalfRead(8 * MIB);
  const fromStranger = () => new FrameParser(() => {}, { account, limits: UNKNOWN_LIMITS });
  const strangers = Array.from({ length: 100 }, fromStranger);
  for (const parser of strangers) expect(parser.push(headerOf(60_000, 0))).toBeUndefined();
  expect(account.bytes).toBeLessThanOrEqual(MIB);
  const known = new FrameParser(() => {}, { account });
  const dropped = new FrameParser(() => {}, { account, limits: UNKNOWN_LIMITS, onDropped: () => {} });
  known.push(headerOf(0, 8 * MIB));
  expect(known.target(1)).toBeDefined();
  expect(account.bytes).toBeGreaterThan(MIB);
  // One of them is let in: what it has sent counts with the others', or goes where there is no room for it.
  known.stop();
  strangers[0]!.limits = FRAME_LIMITS;
  for (const parser of strangers.slice(1)) parser.stop();
  expect(account.bytes).toBe(60_000);
  expect(dropped.push(headerOf(60_000, 0))).toBeUndefined();
  expect(account.bytes).toBe(120_000);
  for (const parser of [strangers[0]!, dropped]) parser.stop();
  expect(account.bytes).toBe(0);
});

test('a frame that finds no room is read to its end, told, and the next one is whole', () => {
  const account = new HalfRead(2 * MIB);
  const frames: number[] = [];
  const dropped: [FrameHeader, string][] = [];
  const parser = new FrameParser(({ id }) => frames.push(id), { account, onDropped: (header, cause) => dropped.push([header, cause]) });
  const stream = Buffer.concat([frameOf(Buffer.alloc(3), Buffer.alloc(5 * MIB), 7), frameOf(Buffer.alloc(3), Buffer.alloc(9), 8)]);
  for (let at = 0; at < stream.length; at += 65_536) {
    expect(parser.push(stream.subarray(at, at + 65_536))).toBeUndefined();
    expect(account.bytes).toBeLessThanOrEqual(2 * MIB);
  }
  expect(dropped.map(([{ id, attachmentBytes }, cause]) => [id, attachmentBytes, cause])).toEqual([[7, 5 * MIB, 'full']]);
  expect(frames).toEqual([8]);
  expect(account.bytes).toBe(0);
  expect(parser.atBoundary).toBe(true);
});

test('a frame under way is dropped when its sender turns out to be nobody, wherever its bytes are read to', () => {
  const account = new HalfRead(64 * MIB);
  const dropped: string[] = [];
  const frames: number[] = [];
  const parser = new FrameParser(({ id }) => frames.push(id), { account, onDropped: (_, cause) => dropped.push(cause) });
  parser.push(headerOf(0, MIB, 1));
  const place = parser.target(1)!;
  parser.limits = { ...FRAME_LIMITS, keptBytesMax: 65_536 };
  expect(account.bytes).toBe(0);
  parser.advance(place.length - 10); // read where it was told to before
  expect(parser.target(1)).toBeUndefined();
  parser.push(Buffer.concat([Buffer.alloc(10), frameOf(Buffer.alloc(1), Buffer.alloc(0), 2)]));
  expect([dropped, frames]).toEqual([['unknown'], [2]]);
});

test('where there is no memory the stream ends with the reason', () => {
  const account = new HalfRead();
  const allocate = (): Buffer => {
    throw new RangeError('Array buffer allocation failed');
  };
  const parser = new FrameParser(() => {}, { account, allocate });
  expect(parser.push(headerOf(0, 64 * MIB - HEADER_BYTES))).toMatch(/no memory/);
  expect(account.bytes).toBe(0);
});

test('the bytes of a body never go where its attachment belongs', () => {
  const frames: { body: string; attachment: Buffer }[] = [];
  const parser = new FrameParser(({ body, attachment }) => frames.push({ body: body.toString(), attachment }));
  const attachment = Buffer.alloc(100_000, 5);
  const stream = frameOf(Buffer.from('a body that is cut'), attachment, 1);
  parser.push(stream.subarray(0, HEADER_BYTES + 6));
  expect(parser.target(1)).toBeUndefined();
  parser.push(stream.subarray(HEADER_BYTES + 6));
  expect(frames.map(({ body }) => body)).toEqual(['a body that is cut']);
  expect(frames[0]!.attachment.equals(attachment)).toBe(true);
});

test('whatever the pieces and the room, each frame comes whole or is told as dropped, in order, and the account ends at 0', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(600_000), fc.nat(900_000)), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1_000, max: 400_000 }),
      fc.integer({ min: 0, max: 3_000_000 }),
      fc.boolean(),
      (sizes, pieceBytes, room, direct) => {
        const account = new HalfRead(room);
        const seen: [number, boolean][] = [];
        const parser = new FrameParser(
          ({ id, body, attachment }) => {
            expect([body.length, attachment.length]).toEqual(sizes[id]);
            expect(body.equals(Buffer.alloc(body.length, 1)) && attachment.equals(Buffer.alloc(attachment.length, 2))).toBe(true);
            seen.push([id, true]);
          },
          { account, onDropped: ({ id }) => seen.push([id, false]) },
        );
        const stream = Buffer.concat(
          sizes.map(([body, attachment], id) => frameOf(Buffer.alloc(body, 1), Buffer.alloc(attachment, 2), id)),
        );
        for (let at = 0; at < stream.length; ) {
          const target = direct ? parser.target(1_000) : undefined;
          const piece = stream.subarray(at, at + Math.min(pieceBytes, target?.length ?? pieceBytes));
          if (target) {
            piece.copy(target);
            parser.advance(piece.length);
          } else parser.push(piece);
          at += piece.length;
          if (account.bytes > room) throw new Error(`${account.bytes} of ${room}`);
        }
        expect(seen.map(([id]) => id)).toEqual(sizes.map((_, id) => id));
        expect(account.bytes).toBe(0);
      },
    ),
    { numRuns: 20 },
  );
});
