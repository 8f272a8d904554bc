/**
 * The library for certificates, with Node's cryptography, and the few steps that all here take with it. Its dependency injection wants `reflect-metadata` there first.
 *
 * All keys are P-256 with SHA-256: the one signature that every implementation of TLS 1.3 must have (RFC 8446, 9.1), so that certificates serve the neighbours
 * too, such as Temporal and browsers; and the one that Node 20 offers to the library without calling it experimental, which Ed25519 is there.
 */
import 'reflect-metadata';
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, webcrypto } from 'node:crypto';
import { isIP, SocketAddress } from 'node:net';
import * as x509 from '@peculiar/x509';

x509.cryptoProvider.set(webcrypto as never);

export { x509 };

export const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export function newPrivateKeyPem(): string {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

export function spkiOf(key: KeyObject): Buffer {
  return (key.type === 'private' ? createPublicKey(key as never) : key).export({ type: 'spki', format: 'der' });
}

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

export function isP256(key: KeyObject): boolean {
  return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
}

/** SHA-256 in base64url: how keys and certificates are named. */
export function fingerprintOf(der: Uint8Array): string {
  return createHash('sha256').update(der).digest('base64url');
}

/** One text for one address; undefined: it is none. */
export function canonicalAddress(text: string): string | undefined {
  const version = isIP(text);
  if (version === 0 || text.includes('%')) return undefined;
  return new SocketAddress({ address: text, family: version === 6 ? 'ipv6' : 'ipv4' }).address;
}

/** The certificates of a PEM text, one by one. */
export function certificatesIn(pem: string): string[] {
  return [...pem.matchAll(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g)].map(([block]) => `${block}\n`);
}
