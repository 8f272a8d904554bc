import { crc32c } from '@node-rs/crc32';

/**
 * Both kinds of file, log segments and snapshots, are a header and then frames. A frame is what was written at once, so a
 * crash can tear only the last one of a file.
 *
 *   header   8 bytes   what kind of file, and the version of its format
 *            8         salt: random, so that bytes copied from another file are never taken for a frame of this one
 *            4         CRC32C of the two: with a wrong salt all frames would look torn
 *   frame    4         magic
 *            4         payloadBytes
 *            4         CRC32C over salt, payloadBytes and payload
 *            n         payload
 *
 * Numbers are big-endian.
 */
export const FILE_HEADER_BYTES = 20;
export const FRAME_HEADER_BYTES = 12;
/** Of a file. */
export const SALT_BYTES = 8;
const KIND_BYTES = 8;
const CHECKED_BYTES = 16;
const FRAME_MAGIC = 0x4e75_7746; // "NuwF"
/** More than any writer makes (see FRAME_BYTES in record.ts and snapshot-file.ts): a length above it is damage. */
const PAYLOAD_BYTES_MAX = 64 * 1024 * 1024;

export function fileHeader(kind: string, salt: Uint8Array): Buffer {
  const header = Buffer.alloc(FILE_HEADER_BYTES);
  header.write(kind.padEnd(KIND_BYTES), 'latin1');
  header.set(salt, KIND_BYTES);
  header.writeUInt32BE(crc32c(header.subarray(0, CHECKED_BYTES)), CHECKED_BYTES);
  return header;
}

/** The file's salt, or undefined when it is no file of this kind. */
export function saltOf(file: Buffer, kind: string): Buffer | undefined {
  if (file.length < FILE_HEADER_BYTES || file.toString('latin1', 0, KIND_BYTES) !== kind.padEnd(KIND_BYTES)) return undefined;
  if (crc32c(file.subarray(0, CHECKED_BYTES)) !== file.readUInt32BE(CHECKED_BYTES)) return undefined;
  return file.subarray(KIND_BYTES, CHECKED_BYTES);
}

/** A whole frame. */
export function frameOf(payload: Uint8Array, salt: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payload.length);
  frame.writeUInt32BE(FRAME_MAGIC, 0);
  frame.writeUInt32BE(payload.length, 4);
  frame.writeUInt32BE(checksum(salt, frame.subarray(4, 8), payload), 8);
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

function checksum(salt: Uint8Array, length: Uint8Array, payload: Uint8Array): number {
  return crc32c(payload, crc32c(length, crc32c(salt)));
}

/** How long the payload of the frame that begins at `offset` says it is; undefined where none begins. */
export function payloadBytesAt(file: Buffer, offset: number): number | undefined {
  if (file.readUInt32BE(offset) !== FRAME_MAGIC) return undefined;
  const payloadBytes = file.readUInt32BE(offset + 4);
  return payloadBytes > PAYLOAD_BYTES_MAX ? undefined : payloadBytes;
}

/** The payload of the whole and undamaged frame at `offset`, if one is there. */
export function payloadAt(file: Buffer, offset: number, salt: Uint8Array): Buffer | undefined {
  const begin = offset + FRAME_HEADER_BYTES;
  if (begin > file.length) return undefined;
  const payloadBytes = payloadBytesAt(file, offset);
  if (payloadBytes === undefined || begin + payloadBytes > file.length) return undefined;
  const payload = file.subarray(begin, begin + payloadBytes);
  return file.readUInt32BE(offset + 8) === checksum(salt, file.subarray(offset + 4, offset + 8), payload) ? payload : undefined;
}

export interface Scan {
  payloads: Buffer[];
  /** Where the last good frame ends. */
  endOffset: number;
  /** After the end: nothing, the beginning of a frame that a crash tore, or damage with good frames behind it. */
  after: 'nothing' | 'torn' | 'damage';
}

const MAGIC_BYTES = Buffer.from([0x4e, 0x75, 0x77, 0x46]);

/**
 * All frames from `offset` on. What a crash leaves is a bad frame and nothing behind it: the next one is written only after
 * this one was synced. So a good frame behind a bad one says that the bad one had been good, and somebody was told so.
 */
export function scanFrames(file: Buffer, salt: Uint8Array, offset = FILE_HEADER_BYTES): Scan {
  const payloads: Buffer[] = [];
  let endOffset = offset;
  for (;;) {
    if (endOffset === file.length) return { payloads, endOffset, after: 'nothing' };
    const payload = payloadAt(file, endOffset, salt);
    if (!payload) break;
    payloads.push(payload);
    endOffset += FRAME_HEADER_BYTES + payload.length;
  }
  for (let at = file.indexOf(MAGIC_BYTES, endOffset + 1); at !== -1; at = file.indexOf(MAGIC_BYTES, at + 1)) {
    if (payloadAt(file, at, salt)) return { payloads, endOffset, after: 'damage' };
  }
  return { payloads, endOffset, after: 'torn' };
}
