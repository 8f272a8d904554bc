/**
 * Rendezvous hashing (Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998). Every caller gives every instance
 * a score made of the key and the instance's name, and takes the highest. So all callers agree without talking; an instance that goes
 * hands its keys to the others evenly, an instance that comes takes an even share of each, and no other key moves. A ring of hashes
 * would do the same with more state and a less even share.
 */
export function rendezvousScore(keyHash: number, name: string): number {
  // The two are not treated alike, or a key that looks like a name would score 0 there.
  return mix(keyHash ^ Math.imul(hashText(name), 0x9e3779b1));
}

/** 32 bits of a text: FNV-1a over its UTF-16 units, then mixed, since FNV leaves the high bits of short texts nearly alike. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix(hash);
}

/** MurmurHash3's last step: each bit in changes each bit out with probability 1/2. */
function mix(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
