import { constants, deflateRaw, deflateRawSync, inflateRawSync } from 'node:zlib';
import { recycleAttachment } from './buffers.ts';
import { FLAGS, type Frame, type FrameLimits, sizeProblem } from './core/frame.ts';
import type { OutgoingFrame } from './transport.ts';
import { byteLength } from './transports/outbox.ts';

/**
 * Compressed frames. On the wire such a frame has a body of 8 bytes, the sizes that its body and its attachment have when unpacked, and an attachment
 * that is both of them, one after the other, as one raw DEFLATE stream (RFC 1951). Its sizes are checked before anything is unpacked, and
 * unpacking stops where they end, so a small frame cannot become a large one.
 *
 * Sizes and speeds, of words on one core of a cloud machine (Node 20 has no zstd):
 *
 *           64 KiB           1 MiB           8 MiB
 *   pack    0.5 ms           8 ms            64 ms      127 MB/s at level 1; level 6 packs 5% smaller at half the speed
 *   unpack  0.14 ms          2 ms            19 ms      500 MB/s
 *
 * So packing small frames is done at once, that of larger ones by another thread (compressing-channel.ts), and unpacking is done as frames come: that
 * keeps their order, and what is not unpacked yet is the kernel's to hold, not a queue of ours.
 */
const LEVEL = 1;
const SIZES_BYTES = 8;
/** Below this a packet of a network is no fuller for it. */
const PACKED_BYTES_MIN = 1024;
/** Unpacking holds the event loop; 8 MiB hold it as long as the largest body does. Larger frames go as they are. */
export const UNPACKED_BYTES_MAX = 8 * 1024 * 1024;

/** Whether it is worth trying, by its size. */
export function packable(frame: OutgoingFrame): boolean {
  const bytes = frame.body.length + byteLength(frame.attachment);
  return bytes >= PACKED_BYTES_MIN && bytes <= UNPACKED_BYTES_MAX;
}

export function plain(frame: OutgoingFrame): OutgoingFrame {
  return { ...frame, flags: (frame.flags ?? 0) & ~FLAGS.compressed };
}

/** The frame packed, or plain if that makes it no smaller. */
export function pack(frame: OutgoingFrame): OutgoingFrame {
  const whole = joined(frame);
  return packedFrame(frame, whole.length, deflateRawSync(whole, { level: LEVEL }));
}

/** The same, by another thread. */
export function packElsewhere(frame: OutgoingFrame, done: (frame: OutgoingFrame) => void): void {
  const whole = joined(frame);
  deflateRaw(whole, { level: LEVEL }, (error, packed) => done(error ? plain(frame) : packedFrame(frame, whole.length, packed)));
}

function packedFrame(frame: OutgoingFrame, bytes: number, packed: Buffer): OutgoingFrame {
  if (packed.length + SIZES_BYTES >= bytes) return plain(frame);
  const sizes = Buffer.allocUnsafe(SIZES_BYTES);
  sizes.writeUInt32BE(frame.body.length, 0);
  sizes.writeUInt32BE(bytes - frame.body.length, 4);
  return { ...frame, body: sizes, attachment: packed };
}

function joined({ body, attachment = [] }: OutgoingFrame): Buffer {
  return Buffer.concat(attachment instanceof Uint8Array ? [body, attachment] : [body, ...attachment]);
}

/** The frame as it was, or in one sentence what is wrong with it. */
export function unpack(frame: Frame, limits: FrameLimits): Frame | string {
  if (frame.body.length !== SIZES_BYTES) return `a compressed frame whose sizes take ${frame.body.length} bytes`;
  const bodyBytes = frame.body.readUInt32BE(0);
  const attachmentBytes = frame.body.readUInt32BE(4);
  const bytes = bodyBytes + attachmentBytes;
  if (bytes === 0) return 'a compressed frame of nothing';
  if (bytes > UNPACKED_BYTES_MAX) return `a compressed frame of ${bytes} bytes, the limit is ${UNPACKED_BYTES_MAX}`;
  const problem = sizeProblem(bodyBytes, attachmentBytes, limits);
  if (problem !== undefined) return problem;
  let whole: Buffer;
  let readBytes: number;
  try {
    // One byte more, so that a stream that goes on is told from one that ends.
    const options = { info: true, maxOutputLength: bytes + 1, chunkSize: Math.max(constants.Z_MIN_CHUNK, bytes + 1) } as const;
    const unpacked = inflateRawSync(frame.attachment, options) as unknown as { buffer: Buffer; engine: { bytesWritten: number } };
    whole = unpacked.buffer;
    readBytes = unpacked.engine.bytesWritten;
  } catch {
    return `a compressed frame that is cut, damaged, or larger than the ${bytes} bytes it says`;
  }
  const moreBytes = frame.attachment.length - readBytes;
  recycleAttachment(frame.attachment);
  if (moreBytes > 0) return `a compressed frame with ${moreBytes} bytes behind its end`;
  if (whole.length !== bytes) return `a compressed frame of ${whole.length} bytes that says ${bytes}`;
  return { ...frame, body: whole.subarray(0, bodyBytes), attachment: whole.subarray(bodyBytes) };
}
