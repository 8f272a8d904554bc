import { ZhongkuiError } from './contract.ts';
import { issue } from './issuer.ts';
import { type KeyDirectory, openIssuer } from './key-directory.ts';
import { readKeyFile, writeKeyFile } from './keys/identity-file.ts';
import { createKeyPair } from './keys/key-pair.ts';
import { readTrustFile } from './keys/trust-file.ts';
import { decodeToken } from './tokens/decode-token.ts';
import { type DelegateOptions, delegate, type IssuedToken } from './tokens/delegate.ts';
import { verifyToken } from './tokens/verify-token.ts';

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

/** Errors: NoSuchKey (no file, or no issuer where one is needed), TokenWidened (a chain that is too long), TokenExpired, TokenForged, TokenRevoked. */
export async function rotateKeyFile(path: string, keys: KeyDirectory, nowMs: number): Promise<Rotated> {
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
  const issued = hangsOnPrevious
    ? await delegate({ token, keyPair: old }, { holder: keyPair, ttlMs }, nowMs)
    : await issueAgain(token, { holder: keyPair, ttlMs }, keys, nowMs);
  await writeKeyFile(path, { keyPair, token: issued.token });
  return { name: grant.name, ...fingerprints, expiresAtMs: issued.expiresAtMs, hangsOnPrevious };
}

/** The issuer signs again what was signed before and holds, not what a file says. */
async function issueAgain(
  token: string,
  { holder, ttlMs }: { holder: DelegateOptions['holder'] & { fingerprint: string }; ttlMs: number },
  keys: KeyDirectory,
  nowMs: number,
): Promise<IssuedToken> {
  const issuer = await openIssuer(keys);
  const trust = await readTrustFile(keys.trustFile);
  const isTrusted = (untilMs = Number.POSITIVE_INFINITY): boolean => untilMs > nowMs;
  const { grant } = await verifyToken(token, (fingerprint) =>
    trust.keys.find((key) => key.fingerprint === fingerprint && isTrusted(key.untilMs)),
  );
  const revoked = (await keys.store.list()).find(({ id, revoked }) => revoked && revoked.fromMs <= nowMs && grant.revocableBy.includes(id));
  if (revoked) throw new ZhongkuiError('TokenRevoked', `${revoked.id} was revoked: ${revoked.revoked!.reason}`);
  return await issue(issuer, { name: grant.name, holder, capabilities: grant.capabilities, ttlMs }, nowMs);
}
