import { CREDENTIALS_BYTES_MAX, type Credentials } from '../guard-contract.ts';

/**
 * How a caller says who it is. A server that asks puts a nonce and its cluster into its hello; the caller answers them with an `identify` frame for each
 * identity that it uses on the connection, and gives it a number, the *slot*. Each request then names the slot that it is made with; slot 0 is nobody.
 *
 * The caller alone says what stands in a slot: `identify` replaces what was there. It does so only while no call made with that slot is under way, so
 * both sides always mean the same by a number.
 */
export const NONCE_BYTES = 32;
/** What one connection can make a server remember: some megabytes at worst. Far more than a process has identities, enough for one that speaks for a machine. */
export const SLOTS_MAX = 1_024;
const CLUSTER_CHARACTERS_MAX = 255;

/** The challenge in a server's hello, undefined when it asks nobody; or in one sentence what is wrong with it. */
export function readChallenge(hello: unknown): { cluster: string; nonce: Uint8Array } | undefined | string {
  const { cluster, nonce } = hello as { cluster?: unknown; nonce?: unknown };
  if (nonce === undefined) return undefined;
  if (!(nonce instanceof Uint8Array) || nonce.length !== NONCE_BYTES) return `a nonce that is not ${NONCE_BYTES} bytes`;
  if (typeof cluster !== 'string' || cluster === '' || cluster.length > CLUSTER_CHARACTERS_MAX)
    return 'a nonce without the cluster it is for';
  return { cluster, nonce };
}

export type IdentifyBody = [token: string, proof: Uint8Array];

/** The credentials, or in one sentence what is wrong with the frame. */
export function readIdentify(slot: number, bodyBytes: number, body: unknown): Credentials | string {
  if (slot < 1 || slot > SLOTS_MAX) return `credentials for slot ${slot}, there are slots 1 to ${SLOTS_MAX}`;
  if (bodyBytes > CREDENTIALS_BYTES_MAX) return `credentials of ${bodyBytes} bytes, the limit is ${CREDENTIALS_BYTES_MAX}`;
  if (!Array.isArray(body) || body.length !== 2) return 'credentials that are not a token and a proof';
  const [token, proof] = body as unknown[];
  if (typeof token !== 'string' || !(proof instanceof Uint8Array)) return 'credentials that are not a token and a proof';
  return { token, proof };
}
