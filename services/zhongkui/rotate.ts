import { ZhongkuiError } from './contract.ts';
import { type Issuer, issue } from './issuer.ts';
import { readKeyFile, writeKeyFile } from './keys/identity-file.ts';
import { createKeyPair } from './keys/key-pair.ts';
import { decodeToken } from './tokens/decode-token.ts';
import { delegate } from './tokens/delegate.ts';

/**
 * A new key in place of an old one, with the rights of the old one until its end. Both count from then on: processes take the new one up when the file changes, and
 * whoever still shows the old one is let in, until it is revoked or ends.
 *
 * A token of the issuer's is issued anew, for which the issuer is needed. One that was delegated cannot be, or it would outlive a revocation of whom it came from: the
 * old key delegates it to the new one. It then hangs on the old key, which must not be revoked.
 */
export interface Rotated {
  readonly name?: string;
  readonly previous: string;
  readonly fingerprint: string;
  readonly expiresAtMs?: number;
  /** The new token came from the old key, and ends with it. */
  readonly hangsOnPrevious: boolean;
}

/** Errors: NoSuchKey (no file, or no issuer where one is needed), TokenWidened (a chain that is too long), TokenExpired. */
export async function rotateKeyFile(path: string, issuer: () => Promise<Issuer>, nowMs: number): Promise<Rotated> {
  const { keyPair: old, token } = await readKeyFile(path);
  const keyPair = createKeyPair();
  const fingerprints = { previous: old.fingerprint, fingerprint: keyPair.fingerprint };
  if (token === undefined) {
    await writeKeyFile(path, { keyPair });
    return { ...fingerprints, hangsOnPrevious: false };
  }
  const { grant, links } = decodeToken(token);
  const ttlMs = grant.expiresAtMs - nowMs;
  if (ttlMs <= 0) throw new ZhongkuiError('TokenExpired', `the token in ${path} has ended: feitian key grant gives it a new one`);
  const hangsOnPrevious = links.length > 1;
  const { name, capabilities } = grant;
  const issued = hangsOnPrevious
    ? await delegate({ token, keyPair: old }, { holder: keyPair, ttlMs }, nowMs)
    : await issue(await issuer(), { name, holder: keyPair, capabilities, ttlMs }, nowMs);
  await writeKeyFile(path, { keyPair, token: issued.token });
  return { name, ...fingerprints, expiresAtMs: issued.expiresAtMs, hangsOnPrevious };
}
