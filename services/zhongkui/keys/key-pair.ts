import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { ZhongkuiError } from '../contract.ts';

/** A public key of somebody: Ed25519 (RFC 8032) and nothing else. */
export interface PublicKey {
  readonly key: KeyObject;
  /** Its 32 bytes in base64url, as `x` of a JWK has them (RFC 8037). */
  readonly x: string;
  /** RFC 7638 thumbprint, base64url: how a key is named in tokens, logs and revocations. */
  readonly fingerprint: string;
}

export interface KeyPair extends PublicKey {
  readonly privateKey: KeyObject;
}

export function createKeyPair(): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return { ...publicKeyOf(publicKey), privateKey };
}

/** PKCS#8, as OpenSSL reads it too. */
export function formatPrivateKey({ privateKey }: KeyPair): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

export function parsePrivateKey(pem: string): KeyPair {
  const privateKey = reading('no private key in PEM', () => createPrivateKey(pem));
  return { ...publicKeyOf(createPublicKey(privateKey)), privateKey };
}

export function formatPublicKey({ key }: PublicKey): string {
  return key.export({ type: 'spki', format: 'pem' }).toString();
}

export function parsePublicKey(pem: string): PublicKey {
  return publicKeyOf(reading('no public key in PEM', () => createPublicKey(pem)));
}

export function publicKeyFromX(x: string): PublicKey {
  const bytes = Buffer.from(x, 'base64url');
  if (bytes.length !== 32 || bytes.toString('base64url') !== x || !isReduced(bytes))
    throw new ZhongkuiError('KeyMalformed', 'the public key is no Ed25519 key');
  return {
    key: reading('no Ed25519 key', () => createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })),
    x,
    fingerprint: fingerprintOf(x),
  };
}

/** Members in the order of their names, no white space: RFC 7638, section 3. */
export function fingerprintOf(x: string): string {
  return createHash('sha256').update(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`).digest('base64url');
}

function publicKeyOf(key: KeyObject): PublicKey {
  if (key.asymmetricKeyType !== 'ed25519')
    throw new ZhongkuiError('KeyMalformed', `the key is of type ${key.asymmetricKeyType}, not Ed25519`);
  return publicKeyFromX(key.export({ format: 'jwk' }).x!);
}

/** Below 2^255 - 19, as RFC 8032 writes it: one key must not have two fingerprints, of which only one is revoked. */
function isReduced(bytes: Buffer): boolean {
  const top = (bytes[31]! & 0x7f) === 0x7f && bytes.subarray(1, 31).every((byte) => byte === 0xff);
  return !(top && bytes[0]! >= 0xed);
}

/** What OpenSSL says is left out: it may quote what it read. */
function reading<T>(problem: string, read: () => T): T {
  try {
    return read();
  } catch {
    throw new ZhongkuiError('KeyMalformed', problem);
  }
}
