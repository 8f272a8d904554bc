import { createHash, sign, verify } from 'node:crypto';
import type { Challenge } from '../../kuafu/guard.ts';
import { ZhongkuiError } from '../contract.ts';
import { NONCE_BYTES, PROOF_BYTES, proofText } from '../core/proof.ts';
import type { KeyPair, PublicKey } from '../keys/key-pair.ts';

export const tokenDigest = (token: string): Buffer => createHash('sha256').update(token).digest();

export function signProof(token: string, { privateKey }: KeyPair, challenge: Challenge): Uint8Array {
  if (!isChallenge(challenge))
    throw new ZhongkuiError('WrongHolder', `a challenge has a nonce of ${NONCE_BYTES} bytes: this server's has not`);
  return sign(null, proofText({ ...challenge, tokenDigest: tokenDigest(token) }), privateKey);
}

/** Errors: WrongHolder. */
export async function checkProof(proof: unknown, digest: Uint8Array, holder: PublicKey, challenge: Challenge): Promise<void> {
  if (!(proof instanceof Uint8Array) || proof.length !== PROOF_BYTES || !isChallenge(challenge)) throw notTheHolder();
  const text = proofText({ ...challenge, tokenDigest: digest });
  const holds = await new Promise<boolean>((resolve) => verify(null, text, holder.key, proof, (error, held) => resolve(!error && held)));
  if (!holds) throw notTheHolder();
}

const isChallenge = ({ nonce }: Challenge): boolean => nonce instanceof Uint8Array && nonce.length === NONCE_BYTES;

const notTheHolder = (): ZhongkuiError =>
  new ZhongkuiError('WrongHolder', 'the proof is not of the key that the token was given to, or was made for another connection');
