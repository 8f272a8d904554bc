import { newId } from '../../base/ids.ts';
import { type Capability, CHAIN_LINKS_MAX, TOKEN_BYTES_MAX, ZhongkuiError } from '../contract.ts';
import { checkCapabilities, narrow } from '../core/capability.ts';
import { isDelegatedName, isName } from '../core/names.ts';
import type { KeyPair, PublicKey } from '../keys/key-pair.ts';
import { decodeToken, joinLinks } from './decode-token.ts';
import { signLink } from './sign-link.ts';

/** A token and the key it was given to. */
export interface Holding {
  readonly token: string;
  readonly keyPair: KeyPair;
}

export interface DelegateOptions {
  /** The key that is to hold it. */
  readonly holder: Pick<PublicKey, 'x'>;
  /** See core/names.ts. @default the name of the token it comes from */
  readonly name?: string;
  /** @default all that the token it comes from allows */
  readonly capabilities?: readonly Capability[];
  /** It ends with the token it comes from, if that ends before. */
  readonly ttlMs: number;
}

export interface IssuedToken {
  readonly token: string;
  /** Revokes it, and all that is delegated from it. */
  readonly id: string;
  readonly expiresAtMs: number;
}

/** Gives part of what a token allows to another key. Needs nobody but its holder. Errors: TokenWidened, InvalidCapability, WrongHolder. */
export async function delegate({ token, keyPair }: Holding, options: DelegateOptions, nowMs: number): Promise<IssuedToken> {
  const { grant, links, texts, cluster } = decodeToken(token);
  if (grant.holder !== keyPair.fingerprint) throw new ZhongkuiError('WrongHolder', 'the key is not the one that the token was given to');
  if (links.length >= CHAIN_LINKS_MAX) throw new ZhongkuiError('TokenWidened', `a token has at most ${CHAIN_LINKS_MAX} links`);
  const name = options.name ?? grant.name;
  if (!isName(name) || !isDelegatedName(name, grant.name))
    throw new ZhongkuiError(
      'TokenWidened',
      `${grant.name} cannot name somebody ${JSON.stringify(name)}: the name begins with its own, or is an attempt's`,
    );
  const capabilities = narrow(grant.capabilities, checkCapabilities(options.capabilities ?? grant.capabilities));
  const { notBeforeSeconds, expiresAtSeconds } = lifetime(nowMs, options.ttlMs, grant.expiresAtMs);
  const id = newId();
  const link = await signLink(
    { id, cluster, name, key: options.holder.x, capabilities, notBeforeSeconds, expiresAtSeconds, previous: links.at(-1)!.digest },
    keyPair,
  );
  return { token: bounded(joinLinks([...texts, link])), id, expiresAtMs: expiresAtSeconds * 1000 };
}

/** In whole seconds, as tokens have them; not shorter than asked for. */
export function lifetime(
  nowMs: number,
  ttlMs: number,
  latestMs = Number.POSITIVE_INFINITY,
): { notBeforeSeconds: number; expiresAtSeconds: number } {
  if (!(ttlMs > 0)) throw new ZhongkuiError('TokenExpired', `a token that lives ${ttlMs} ms has ended`);
  const notBeforeSeconds = Math.floor(nowMs / 1000);
  const expiresAtSeconds = Math.min(Math.ceil((nowMs + ttlMs) / 1000), latestMs / 1000);
  if (expiresAtSeconds <= notBeforeSeconds) throw new ZhongkuiError('TokenExpired', 'the token that it would come from has ended');
  return { notBeforeSeconds, expiresAtSeconds };
}

export function bounded(token: string): string {
  if (token.length > TOKEN_BYTES_MAX) throw new ZhongkuiError('TokenWidened', `the token would be longer than ${TOKEN_BYTES_MAX} bytes`);
  return token;
}
