import { randomBytes } from 'node:crypto';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** A random id of 80 bits in Crockford's base 32, lower case: safe in paths, URLs and workflow ids. */
export function newId(prefix?: string): string {
  let id = '';
  for (const byte of randomBytes(16)) id += ALPHABET[byte & 31];
  return prefix ? `${prefix}-${id}` : id;
}
