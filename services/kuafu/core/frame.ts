/**
 * A frame is the unit of the wire: a fixed header of 16 bytes, a MessagePack body, and an attachment that nobody looks into.
 * All numbers are big-endian.
 *
 *   offset  bytes
 *   0       4      frameBytes: the whole frame, header included
 *   4       1      kind
 *   5       1      flags: 1 = body and attachment are compressed (see compressed.ts); 2 and 4 = priority (0 normal, 2 high, 4 low);
 *                  8, of a request: what comes back may be compressed; other bits zero
 *   6       2      of a request: the number of the credentials it is made with, 0 = none; of data: the message's number in its stream and direction,
 *                  from 0, modulo 65536; of end, and of the reply to a stream: how many messages there were in that direction, modulo 65536;
 *                  otherwise zero
 *   8       4      call id, chosen by the caller; 0 for frames that belong to no call; of identify: the number that the credentials get
 *   12      4      bodyBytes; the attachment is what is left of the frame
 */
export const HEADER_BYTES = 16;
/** A frame is held in memory whole at both ends. 64 MiB is the largest thing anybody should send at once; callers cut larger ones. */
export const FRAME_BYTES_MAX = 64 * 1024 * 1024;
/** Bodies are decoded into objects many times their size, on the event loop: 8 MiB is some 50 ms. Bulk belongs in the attachment. */
export const BODY_BYTES_MAX = 8 * 1024 * 1024;
/** Until the peer has said hello it may not make us hold more than this. */
export const HELLO_BYTES_MAX = 4 * 1024;

export const FRAME_KINDS = {
  hello: 1,
  request: 2,
  reply: 3,
  error: 4,
  cancel: 5,
  ping: 6,
  pong: 7,
  goAway: 8,
  data: 9,
  end: 10,
  credit: 11,
  identify: 12,
} as const;
export type FrameKind = (typeof FRAME_KINDS)[keyof typeof FRAME_KINDS];
const KIND_MAX = FRAME_KINDS.identify;

/** Bits of a header's flags. */
export const FLAGS = { compressed: 1, high: 2, low: 4, compressReply: 8 } as const;
const FLAGS_ALL = FLAGS.compressed | FLAGS.high | FLAGS.low | FLAGS.compressReply;

export interface Frame {
  readonly kind: FrameKind;
  readonly flags: number;
  readonly number: number;
  readonly id: number;
  /** May be a view of a read buffer: good until the function that was given the frame returns. */
  readonly body: Buffer;
  /** Its own buffer: good for as long as it is referenced. */
  readonly attachment: Buffer;
}

export interface FrameHeader {
  kind: FrameKind;
  flags: number;
  number: number;
  id: number;
  bodyBytes: number;
  attachmentBytes: number;
}

export interface FrameLimits {
  frameBytesMax: number;
  bodyBytesMax: number;
  /** A frame of more is read and not kept; its sender hears so. @default all are kept */
  keptBytesMax?: number;
}

export const FRAME_LIMITS: FrameLimits = { frameBytesMax: FRAME_BYTES_MAX, bodyBytesMax: BODY_BYTES_MAX };
/** Of a peer that has to say who it is and has not yet: what nobody may ask is small. */
export const UNKNOWN_LIMITS: FrameLimits = { ...FRAME_LIMITS, keptBytesMax: 64 * 1024 };
export const HELLO_LIMITS: FrameLimits = { frameBytesMax: HELLO_BYTES_MAX, bodyBytesMax: HELLO_BYTES_MAX };

export function writeHeader(target: Buffer, offset: number, header: FrameHeader): void {
  target.writeUInt32BE(HEADER_BYTES + header.bodyBytes + header.attachmentBytes, offset);
  target.writeUInt32BE(((header.kind << 24) | (header.flags << 16) | header.number) >>> 0, offset + 4);
  target.writeUInt32BE(header.id, offset + 8);
  target.writeUInt32BE(header.bodyBytes, offset + 12);
}

/** The header at `offset`, or in one sentence what is wrong with it. */
export function readHeader(source: Buffer, offset: number, limits: FrameLimits): FrameHeader | string {
  const frameBytes = source.readUInt32BE(offset);
  const word = source.readUInt32BE(offset + 4);
  const kind = word >>> 24;
  const flags = (word >>> 16) & 0xff;
  const bodyBytes = source.readUInt32BE(offset + 12);
  if (frameBytes > limits.frameBytesMax) return `a frame of ${frameBytes} bytes, the limit is ${limits.frameBytesMax}`;
  if (kind < 1 || kind > KIND_MAX) return `a frame of unknown kind ${kind}`;
  if ((flags & ~FLAGS_ALL) !== 0 || (flags & (FLAGS.high | FLAGS.low)) === (FLAGS.high | FLAGS.low)) return `a frame with flags ${flags}`;
  if (bodyBytes > limits.bodyBytesMax) return `a body of ${bodyBytes} bytes, the limit is ${limits.bodyBytesMax}`;
  if (frameBytes < HEADER_BYTES + bodyBytes) return `a frame of ${frameBytes} bytes with a body of ${bodyBytes}`;
  return {
    kind: kind as FrameKind,
    flags,
    number: word & 0xffff,
    id: source.readUInt32BE(offset + 8),
    bodyBytes,
    attachmentBytes: frameBytes - HEADER_BYTES - bodyBytes,
  };
}

/** Why a frame of this size may not be sent, or undefined. */
export function sizeProblem(bodyBytes: number, attachmentBytes: number, limits: FrameLimits = FRAME_LIMITS): string | undefined {
  if (bodyBytes > limits.bodyBytesMax)
    return `a body of ${bodyBytes} bytes, the limit is ${limits.bodyBytesMax}; bulk belongs in the attachment`;
  const frameBytes = HEADER_BYTES + bodyBytes + attachmentBytes;
  if (frameBytes > limits.frameBytesMax) return `a frame of ${frameBytes} bytes, the limit is ${limits.frameBytesMax}`;
  return undefined;
}
