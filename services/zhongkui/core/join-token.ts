import { CERTIFICATE_LIFE_MS } from './authority-rotation.ts';
import { isLabel } from './machine-names.ts';

/**
 * A *join token* lets one new machine into the cluster, once. As text:
 *
 *     feitian-join.<cluster>.<id>.<secret>.<root>[.<root>]
 *
 * `id` is public and names the token. `secret` is the seed of an Ed25519 key pair: whoever joins signs with it and never sends it, and the authority keeps only the
 * public half, so neither the wire nor the authority's files give anything away. Each `root` is the SHA-256 of a certificate of the authority, those that
 * sign while the token is good: the new machine believes an answer that is signed by one of them, whatever network it came over.
 */
export interface JoinToken {
  readonly cluster: string;
  readonly id: string;
  readonly secret: string;
  readonly roots: readonly string[];
}

const PREFIX = 'feitian-join';
const ID = /^[0-9a-z]{16}$/;
/** 32 bytes in base64url without padding, whose last letter holds four bits only: no two texts for one value. */
const BYTES_32 = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;
export const JOIN_TOKEN_LENGTH_MAX = 256;

export const JOIN_TTL_MS_DEFAULT = 3_600_000;
/** A root that is not announced when a token is made signs only after a certificate's life: until then the token's roots are enough. */
export const JOIN_TTL_MS_MAX = CERTIFICATE_LIFE_MS;

export function formatJoinToken({ cluster, id, secret, roots }: JoinToken): string {
  return [PREFIX, cluster, id, secret, ...roots].join('.');
}

/** Undefined: it is none. */
export function parseJoinToken(text: string): JoinToken | undefined {
  if (text.length > JOIN_TOKEN_LENGTH_MAX) return undefined;
  const [prefix, cluster = '', id = '', secret = '', ...roots] = text.split('.');
  const wellFormed = prefix === PREFIX && isLabel(cluster) && ID.test(id) && BYTES_32.test(secret);
  const rooted = (roots.length === 1 || roots.length === 2) && roots.every((root) => BYTES_32.test(root));
  return wellFormed && rooted ? { cluster, id, secret, roots } : undefined;
}

export function isTokenId(text: string): boolean {
  return ID.test(text);
}
