/**
 * Which partition a key belongs to: `hashBytes(key) % partitions`, the same on every node and in every release, for a job's maps
 * and its repaired maps must agree.
 *
 * The hash is FNV-1a over the key's bytes, 32 bits, and then MurmurHash3's finaliser. FNV-1a reads a byte at a time, which is what short keys want;
 * its low bits are weak (a key's last byte shows through), and `% partitions` looks at just those, so the finaliser spreads every bit over all.
 */
export function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return finalise(hash);
}

/** MurmurHash3's fmix32. @returns an unsigned 32-bit integer. */
function finalise(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

export function partitionOf(bytes: Uint8Array, start: number, end: number, partitions: number): number {
  return hashBytes(bytes, start, end) % partitions;
}
