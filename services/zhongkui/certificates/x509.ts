/**
 * The library for certificates, with Node's cryptography, and the few steps that all here take with it. Its dependency injection wants `reflect-metadata` there first.
 *
 * All keys are P-256 with SHA-256: the one signature that every implementation of TLS 1.3 must have (RFC 8446, 9.1), so that certificates serve the neighbours
 * too, such as Temporal and browsers; and the one that Node 20 offers to the library without calling it experimental, which Ed25519 is there.
 */
import 'reflect-metadata';
import { createPrivateKey, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { spkiOf } from './encodings.ts';

x509.cryptoProvider.set(webcrypto as never);

export { x509 };

export const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** As the library takes keys. */
export async function cryptoKeysOf(privateKeyPem: string): Promise<CryptoKeyPair> {
  const key = createPrivateKey(privateKeyPem);
  const { subtle } = webcrypto;
  const [privateKey, publicKey] = await Promise.all([
    subtle.importKey('pkcs8', key.export({ type: 'pkcs8', format: 'der' }), ALGORITHM, false, ['sign']),
    subtle.importKey('spki', spkiOf(key), ALGORITHM, true, ['verify']),
  ]);
  return { privateKey, publicKey } as unknown as CryptoKeyPair;
}
type CryptoKeyPair = x509.X509CertificateCreateSelfSignedParams['keys'];
