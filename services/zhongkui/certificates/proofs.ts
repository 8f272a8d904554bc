import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import type { CertificateAnswer, JoinRequest, RenewRequest } from '../join-contract.ts';

/**
 * What is signed on the way to a certificate. Each text begins with what it is for and gives the length of each of its parts, so that no signature made for one thing can
 * be shown for another.
 */
function textOf(purpose: string, ...parts: (string | Uint8Array)[]): Buffer {
  return Buffer.concat(
    [`feitian/${purpose}/1`, ...parts].flatMap((part) => {
      const bytes = Buffer.from(part as string);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return [length, bytes];
    }),
  );
}

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

const joinText = (cluster: string, { token, csr }: Omit<JoinRequest, 'proof'>): Buffer => textOf('join', cluster, token, sha256(csr));
const renewText = (cluster: string, { certificate, csr }: Omit<RenewRequest, 'proof'>): Buffer =>
  textOf('renew', cluster, certificate, sha256(csr));
const answerText = (cluster: string, csr: Uint8Array, { certificate, roots }: Omit<CertificateAnswer, 'signature'>): Buffer =>
  textOf('answer', cluster, sha256(csr), certificate, ...roots);

// ---- the token's key ----

/** RFC 8410: what stands before the 32 bytes of an Ed25519 seed in PKCS#8, and of a public key in SPKI. */
const SEED_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const PUBLIC_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

export function newJoinSecret(): { secret: string; key: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const seed = privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(SEED_PREFIX.length);
  const point = publicKey.export({ type: 'spki', format: 'der' }).subarray(PUBLIC_PREFIX.length);
  return { secret: seed.toString('base64url'), key: point.toString('base64url') };
}

export function proveJoin(cluster: string, secret: string, request: Omit<JoinRequest, 'proof'>): Buffer {
  const der = Buffer.concat([SEED_PREFIX, Buffer.from(secret, 'base64url')]);
  return sign(null, joinText(cluster, request), createPrivateKey({ key: der, type: 'pkcs8', format: 'der' }));
}

export function provesJoin(cluster: string, key: string, request: JoinRequest): boolean {
  const der = Buffer.concat([PUBLIC_PREFIX, Buffer.from(key, 'base64url')]);
  return verify(null, joinText(cluster, request), createPublicKey({ key: der, type: 'spki', format: 'der' }), request.proof);
}

// ---- the keys of certificates ----

export function proveRenewal(cluster: string, key: KeyObject, request: Omit<RenewRequest, 'proof'>): Buffer {
  return sign('sha256', renewText(cluster, request), key);
}

export function provesRenewal(cluster: string, key: KeyObject, request: RenewRequest): boolean {
  return verify('sha256', renewText(cluster, request), key, request.proof);
}

export function signAnswer(cluster: string, key: KeyObject, csr: Uint8Array, answer: Omit<CertificateAnswer, 'signature'>): Buffer {
  return sign('sha256', answerText(cluster, csr, answer), key);
}

export function isAnswerOf(cluster: string, key: KeyObject, csr: Uint8Array, answer: CertificateAnswer): boolean {
  return verify('sha256', answerText(cluster, csr, answer), key, answer.signature);
}
