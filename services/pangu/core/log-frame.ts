import type { Crc } from './blocks.ts';

/**
 * What a chunk server writes beside the bytes of a log's chunk, so that it knows after any crash which records they are.
 *
 * Records come in calls: one writer, one number, some bytes. The primary puts calls into a batch, and each replica writes the batch's bytes where chunks have their
 * data, and a frame that tells of them behind the room for data, `capacity` bytes further: one file, so one sync is for both. After a crash the chunk ends with the last
 * frame that is whole, follows the one before it, and whose bytes are as it says: so never with half a call, and never with a call whose number is lost.
 */
export interface LogCall {
  readonly writer: string;
  /** The writer's own count. */
  readonly sequence: number;
  readonly length: number;
}

export interface LogFrame {
  /** Of the batch, in the chunk. */
  readonly offset: number;
  readonly length: number;
  /** CRC32C of all its bytes. */
  readonly dataCrc: number;
  readonly calls: readonly LogCall[];
}

const MAGIC = 0x6d_72_66_6c; // "lfrm"
const HEAD_BYTES = 24;
const CALL_BYTES = 13;
const TRAILER_BYTES = 4;

export function encodeFrame({ offset, length, dataCrc, calls }: LogFrame, crc: Crc): Uint8Array {
  const encoder = new TextEncoder();
  const writers = calls.map(({ writer }) => encoder.encode(writer));
  const size = HEAD_BYTES + writers.reduce((sum, writer) => sum + CALL_BYTES + writer.length, 0) + TRAILER_BYTES;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, size, true);
  view.setUint32(8, offset, true);
  view.setUint32(12, length, true);
  view.setUint32(16, dataCrc, true);
  view.setUint32(20, calls.length, true);
  let at = HEAD_BYTES;
  calls.forEach((call, i) => {
    const writer = writers[i]!;
    view.setUint8(at, writer.length);
    view.setFloat64(at + 1, call.sequence, true);
    view.setUint32(at + 9, call.length, true);
    bytes.set(writer, at + CALL_BYTES);
    at += CALL_BYTES + writer.length;
  });
  view.setUint32(size - TRAILER_BYTES, crc(bytes.subarray(0, size - TRAILER_BYTES)), true);
  return bytes;
}

/** The frames from the beginning of `bytes` up to the first that is not whole or does not follow, and how many bytes they take. */
export function decodeFrames(bytes: Uint8Array, crc: Crc): { frames: LogFrame[]; bytes: number } {
  const frames: LogFrame[] = [];
  let at = 0;
  let end = 0;
  for (;;) {
    const frame = decodeFrame(bytes.subarray(at), crc);
    if (!frame || frame.offset !== end) return { frames, bytes: at };
    const { size, ...rest } = frame;
    frames.push(rest);
    at += size;
    end += frame.length;
  }
}

function decodeFrame(bytes: Uint8Array, crc: Crc): (LogFrame & { size: number }) | undefined {
  if (bytes.length < HEAD_BYTES + TRAILER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const size = view.getUint32(4, true);
  if (view.getUint32(0, true) !== MAGIC || size > bytes.length || size < HEAD_BYTES + TRAILER_BYTES) return undefined;
  if (view.getUint32(size - TRAILER_BYTES, true) !== crc(bytes.subarray(0, size - TRAILER_BYTES))) return undefined;
  const decoder = new TextDecoder();
  const calls: LogCall[] = [];
  let at = HEAD_BYTES;
  for (let i = 0; i < view.getUint32(20, true); i++) {
    const writerBytes = view.getUint8(at);
    const writer = decoder.decode(bytes.subarray(at + CALL_BYTES, at + CALL_BYTES + writerBytes));
    calls.push({ writer, sequence: view.getFloat64(at + 1, true), length: view.getUint32(at + 9, true) });
    at += CALL_BYTES + writerBytes;
  }
  const [offset, length, dataCrc] = [view.getUint32(8, true), view.getUint32(12, true), view.getUint32(16, true)];
  return { size, offset, length, dataCrc, calls };
}

/** Where the last call of each writer stands, in the first `length` bytes. */
export function marksOf(frames: readonly LogFrame[], length: number): { writer: string; sequence: number; offset: number }[] {
  const marks = new Map<string, { writer: string; sequence: number; offset: number }>();
  for (const frame of frames) {
    let { offset } = frame;
    for (const call of frame.calls) {
      if (offset < length) marks.set(call.writer, { writer: call.writer, sequence: call.sequence, offset });
      offset += call.length;
    }
  }
  return [...marks.values()];
}
