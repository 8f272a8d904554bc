import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  FRAME_KINDS,
  FRAME_LIMITS,
  type Frame,
  type FrameKind,
  HEADER_BYTES,
  HELLO_LIMITS,
  writeHeader,
} from '../../../../services/kuafu/core/frame.ts';
import { FrameParser } from '../../../../services/kuafu/core/frame-parser.ts';

function encode(kind: FrameKind, id: number, body: Uint8Array, attachment: Uint8Array): Buffer {
  const frame = Buffer.alloc(HEADER_BYTES + body.length + attachment.length);
  writeHeader(frame, 0, { kind, flags: 0, number: 0, id, bodyBytes: body.length, attachmentBytes: attachment.length });
  frame.set(body, HEADER_BYTES);
  frame.set(attachment, HEADER_BYTES + body.length);
  return frame;
}

interface Parsed {
  frames: Frame[];
  problem: string | undefined;
  atBoundary: boolean;
}

/** Each piece is spoiled after it was read, as a read buffer is by the next read. */
function parse(pieces: Buffer[], limits = FRAME_LIMITS): Parsed {
  const frames: Frame[] = [];
  const parser = new FrameParser((frame) => frames.push({ ...frame, body: Buffer.from(frame.body) }), { limits });
  let problem: string | undefined;
  for (const piece of pieces) {
    const chunk = Buffer.from(piece);
    problem = parser.push(chunk);
    chunk.fill(0xee);
  }
  return { frames, problem, atBoundary: parser.atBoundary };
}

const bytes = (length: number, seed: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => (i * 31 + seed) & 0xff));

test('a stream split at every byte gives the same frames', () => {
  const sent: [FrameKind, number, Buffer, Buffer][] = [
    [FRAME_KINDS.request, 1, bytes(10, 1), bytes(25, 2)],
    [FRAME_KINDS.cancel, 1, bytes(0, 0), bytes(0, 0)],
    [FRAME_KINDS.reply, 0xffffffff, bytes(7, 3), bytes(0, 0)],
    [FRAME_KINDS.reply, 2, bytes(0, 0), bytes(9, 4)],
  ];
  const stream = Buffer.concat(sent.map((frame) => encode(...frame)));
  for (let split = 0; split <= stream.length; split++) {
    const { frames, problem, atBoundary } = parse([stream.subarray(0, split), stream.subarray(split)]);
    expect(problem).toBeUndefined();
    expect(frames.map(({ kind, id, body, attachment }) => [kind, id, Buffer.from(body), Buffer.from(attachment)])).toEqual(sent);
    expect(atBoundary).toBe(true);
  }
});

test('a stream cut into any pieces gives the same frames', () => {
  const frameArbitrary = fc.record({
    kind: fc.constantFrom(...Object.values(FRAME_KINDS)),
    flags: fc.constantFrom(0, 1, 2, 3, 4, 5),
    number: fc.nat(0xffff),
    id: fc.nat(0xffffffff),
    body: fc.uint8Array({ maxLength: 40 }),
    attachment: fc.uint8Array({ maxLength: 200 }),
  });
  fc.assert(
    fc.property(
      fc.array(frameArbitrary, { minLength: 1, maxLength: 8 }),
      fc.array(fc.nat(60), { minLength: 1, maxLength: 80 }),
      (sent, cuts) => {
        const stream = Buffer.concat(
          sent.map(({ kind, flags, number, id, body, attachment }) => {
            const frame = encode(kind, id, body, attachment);
            writeHeader(frame, 0, { kind, flags, number, id, bodyBytes: body.length, attachmentBytes: attachment.length });
            return frame;
          }),
        );
        const pieces: Buffer[] = [];
        let at = 0;
        for (const cut of cuts) {
          pieces.push(stream.subarray(at, at + cut));
          at += cut;
        }
        pieces.push(stream.subarray(Math.min(at, stream.length)));
        const { frames } = parse(pieces);
        expect(
          frames.map((frame) => ({ ...frame, body: new Uint8Array(frame.body), attachment: new Uint8Array(frame.attachment) })),
        ).toEqual(sent.map((frame) => ({ ...frame, body: new Uint8Array(frame.body), attachment: new Uint8Array(frame.attachment) })));
      },
    ),
  );
});

test('an attachment under way can be read straight into its place', () => {
  const attachment = bytes(1_000, 2);
  const stream = Buffer.concat([
    encode(FRAME_KINDS.reply, 1, bytes(5, 1), attachment),
    encode(FRAME_KINDS.pong, 0, bytes(0, 0), bytes(0, 0)),
  ]);
  for (let first = 0; first < stream.length; first += 7) {
    const frames: Frame[] = [];
    const parser = new FrameParser((frame) => frames.push({ ...frame, body: Buffer.from(frame.body) }));
    parser.push(Buffer.from(stream.subarray(0, first)));
    let at = first;
    for (let target = parser.target(1); target && at < stream.length; target = parser.target(1)) {
      const read = stream.copy(target, 0, at, at + Math.min(333, target.length));
      parser.advance(read);
      at += read;
    }
    parser.push(Buffer.from(stream.subarray(at)));
    expect(frames.map(({ kind }) => kind)).toEqual([FRAME_KINDS.reply, FRAME_KINDS.pong]);
    expect(Buffer.compare(frames[0]!.attachment, attachment)).toBe(0);
    expect(frames[0]!.body).toEqual(bytes(5, 1));
  }
});

test('any bytes at all give frames or one violation, and never throw', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 20 }), (pieces) => {
      let violated = false;
      const parser = new FrameParser(() => expect(violated).toBe(false));
      for (const piece of pieces) {
        const problem = parser.push(Buffer.from(piece));
        if (violated) expect(problem).toBeDefined();
        violated ||= problem !== undefined;
      }
    }),
  );
});

test.each([
  ['larger than the limit', (header: Buffer) => header.writeUInt32BE(FRAME_LIMITS.frameBytesMax + 1, 0), /the limit is/],
  ['with a body larger than the limit', (header: Buffer) => header.writeUInt32BE(FRAME_LIMITS.bodyBytesMax + 1, 12), /the limit is/],
  ['shorter than its body', (header: Buffer) => header.writeUInt32BE(1, 12), /with a body of/],
  ['shorter than its header', (header: Buffer) => header.writeUInt32BE(3, 0), /a frame of 3 bytes/],
  ['of an unknown kind', (header: Buffer) => header.writeUInt8(99, 4), /unknown kind 99/],
  ['with flags that mean nothing', (header: Buffer) => header.writeUInt8(16, 5), /flags 16/],
  ['with both priorities', (header: Buffer) => header.writeUInt8(6, 5), /flags 6/],
])('a frame %s is a violation', (_name, spoil, message) => {
  const header = encode(FRAME_KINDS.ping, 0, bytes(0, 0), bytes(0, 0));
  spoil(header);
  expect(parse([header]).problem).toMatch(message);
});

test('before hello a peer cannot make us reserve more than a few KiB', () => {
  const pieces = [encode(FRAME_KINDS.hello, 0, bytes(10, 0), bytes(0, 0)), Buffer.from('GET / HTTP/1.1\r\n\r\n')];
  expect(parse(pieces, HELLO_LIMITS).problem).toMatch(/the limit is 4096/);
});
