/**
 * What of keys, names and certificates needs Node alone. Apart from the library (x509.ts), which takes a tenth of a second to load: whoever only shows a
 * certificate that is there, as every process of a cluster does at its start, does without it.
 */
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { isIP, SocketAddress } from 'node:net';

export function newPrivateKeyPem(): string {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

export function spkiOf(key: KeyObject): Buffer {
  return (key.type === 'private' ? createPublicKey(key as never) : key).export({ type: 'spki', format: 'der' });
}

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
