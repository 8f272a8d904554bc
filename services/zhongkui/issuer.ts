import { newId } from '../base/ids.ts';
import { type Capability, ZhongkuiError } from './contract.ts';
import { checkCapabilities } from './core/capability.ts';
import { isName } from './core/names.ts';
import type { KeyPair, PublicKey } from './keys/key-pair.ts';
import type { IssuedStore } from './store.ts';
import { bounded, type IssuedToken, lifetime } from './tokens/delegate.ts';
import { signLink } from './tokens/sign-link.ts';

/** A revocation of a token must be kept as long as the token could live. */
export const TOKEN_TTL_MS_MAX = 400 * 86_400_000;

export interface IssueOptions {
  /** `user/alice`, `service/pangu-master`: see core/names.ts. */
  readonly name: string;
  readonly holder: Pick<PublicKey, 'x' | 'fingerprint'>;
  readonly capabilities: readonly Capability[];
  readonly ttlMs: number;
}

export interface Issuer {
  readonly cluster: string;
  readonly keyPair: KeyPair;
  /** Where a record of what it issues is kept, if anywhere. */
  readonly store?: IssuedStore;
}

/** Signs the first link of a token, and notes it. Errors: InvalidCapability, KeyMalformed, TokenExpired, TokenRevoked. */
export async function issue({ cluster, keyPair, store }: Issuer, options: IssueOptions, nowMs: number): Promise<IssuedToken> {
  const { name, holder, ttlMs } = options;
  if (!isName(name)) throw new ZhongkuiError('KeyMalformed', `${JSON.stringify(name)} is no name: names are user/<name> or service/<name>`);
  const capabilities = checkCapabilities(options.capabilities);
  if (ttlMs > TOKEN_TTL_MS_MAX) throw new ZhongkuiError('InvalidCapability', `a token lives ${TOKEN_TTL_MS_MAX / 86_400_000} days at most`);
  const revoked = (await store?.list())?.find((record) => record.id === holder.fingerprint && record.revoked);
  if (revoked) throw new ZhongkuiError('TokenRevoked', `the key ${holder.fingerprint} was revoked: ${revoked.revoked!.reason}`);
  const { notBeforeSeconds, expiresAtSeconds } = lifetime(nowMs, ttlMs);
  const id = newId();
  const token = bounded(await signLink({ id, cluster, name, key: holder.x, capabilities, notBeforeSeconds, expiresAtSeconds }, keyPair));
  const expiresAtMs = expiresAtSeconds * 1000;
  await store?.put({
    id,
    name,
    holder: holder.fingerprint,
    issuer: keyPair.fingerprint,
    capabilities: capabilities.map((capability) => ({ ...capability, operations: [...capability.operations] })),
    issuedAtMs: nowMs,
    expiresAtMs,
  });
  return { token, id, expiresAtMs };
}
