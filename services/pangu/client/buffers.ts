import { TRANSFER_BYTES_MAX } from '../chunk-contract.ts';

const FREE_MAX = 16;
const free: Buffer[] = [];

/** Buffers for pieces on their way, used again: fresh megabytes cost as much in page faults as copying into them. */
export function takeBuffer(bytes: number): Buffer {
  if (bytes <= TRANSFER_BYTES_MAX / 16) return Buffer.allocUnsafeSlow(bytes);
  return free.pop() ?? Buffer.allocUnsafeSlow(TRANSFER_BYTES_MAX);
}

/** Takes back what `bytes` is a part of. Only when nobody can still be sending from it. */
export function giveBuffer(bytes: Buffer): void {
  if (bytes.buffer.byteLength === TRANSFER_BYTES_MAX && free.length < FREE_MAX) free.push(Buffer.from(bytes.buffer));
}
