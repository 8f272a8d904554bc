import { Packr } from 'msgpackr';
import { messageOf } from '../base/errors.ts';
import { messageProblem } from './core/message-bounds.ts';

/**
 * Bodies are plain MessagePack that any language reads: no records, no extensions but the timestamp. Fields that are `undefined`
 * are left out, `undefined` in an array becomes nil. Binaries are copied out of the body, so that keeping one does not keep the socket's read buffer.
 */
const packr = new Packr({
  useRecords: false,
  encodeUndefinedAsNil: true,
  int64AsType: 'auto',
  copyBuffers: true,
  // biome-ignore lint/suspicious/noExplicitAny: the option is there, its type is not
  ...({ skipValues: [undefined] } as any),
});

const NOTHING = Buffer.alloc(0);

/** An empty body stands for no value at all. */
export function encodeBody(value: unknown): Buffer {
  return value === undefined ? NOTHING : packr.pack(value);
}

/** Throws an Error that says what is wrong when the body is no such message. */
export function decodeBody(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  const problem = messageProblem(body);
  if (problem !== undefined) throw new Error(problem);
  return packr.unpack(wholeOf(body), { start: body.byteOffset, end: body.byteOffset + body.length });
}

/** The same, with what is wrong as a value. */
export function tryDecodeBody(body: Buffer): { readonly value: unknown; readonly problem: string | undefined } {
  try {
    return { value: decodeBody(body), problem: undefined };
  } catch (error) {
    return { value: undefined, problem: messageOf(error) };
  }
}

export function goAwayReason(frame: { body: Buffer }): string {
  let body: unknown;
  try {
    body = decodeBody(frame.body);
  } catch {
    // without a reason, then
  }
  return String((body as { reason?: unknown } | undefined)?.reason ?? 'no reason given');
}

let whole: Buffer = Buffer.alloc(0);

/** The memory that a body lies in, as one Buffer: the decoder makes itself a DataView of each buffer it meets, and that costs as much as a small body. */
function wholeOf(body: Buffer): Buffer {
  if (body.buffer !== whole.buffer) whole = Buffer.from(body.buffer);
  return whole;
}
