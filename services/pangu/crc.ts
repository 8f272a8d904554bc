import { crc32c } from '@node-rs/crc32';

/** CRC32C over `bytes`, or over what `initial` stands for followed by `bytes`. */
export function crc(bytes: Uint8Array, initial?: number): number {
  return crc32c(bytes, initial);
}
