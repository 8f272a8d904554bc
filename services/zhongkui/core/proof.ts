/**
 * What a holder signs to show that it has the key: a text that is like no other text signed with it, and can be taken apart in one way only.
 *
 *   "feitian proof 1" NUL, then four fields, each its length in four bytes (big-endian) and its bytes:
 *   cluster (UTF-8), nonce, binding with 1 before it (or 0 alone, where there is none), SHA-256 of the token
 *
 * A link's signature is over base64url and dots, which hold no NUL: neither can stand for the other.
 */
export const NONCE_BYTES = 32;
export const PROOF_BYTES = 64;
const PREFIX = 'feitian proof 1\0';

export interface ProofFacts {
  readonly cluster: string;
  readonly nonce: Uint8Array;
  readonly binding?: Uint8Array;
  readonly tokenDigest: Uint8Array;
}

const encoder = new TextEncoder();

export function proofText({ cluster, nonce, binding, tokenDigest }: ProofFacts): Uint8Array {
  const bound = binding === undefined ? Uint8Array.of(0) : Uint8Array.of(1, ...binding);
  const fields = [encoder.encode(cluster), nonce, bound, tokenDigest];
  const prefix = encoder.encode(PREFIX);
  const text = new Uint8Array(prefix.length + fields.reduce((sum, field) => sum + 4 + field.length, 0));
  const view = new DataView(text.buffer);
  text.set(prefix);
  let at = prefix.length;
  for (const field of fields) {
    view.setUint32(at, field.length);
    text.set(field, at + 4);
    at += 4 + field.length;
  }
  return text;
}
