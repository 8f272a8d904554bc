import { ChunkError } from '../chunk-contract.ts';

/** `false` for a checksum that is not right; whatever else went wrong goes on. */
export function isBadChecksum(error: unknown): false {
  if (error instanceof ChunkError && error.code === 'BadChecksum') return false;
  throw error;
}
