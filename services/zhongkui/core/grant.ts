import { CHAIN_LINKS_MAX, CLOCK_SKEW_MS_MAX, type Grant, type ZhongkuiCode, ZhongkuiError } from '../contract.ts';
import { narrow } from './capability.ts';
import type { Link } from './link.ts';
import { isDelegatedName } from './names.ts';

/** A link as it stood in its token. */
export interface ChainLink extends Link {
  /** Fingerprint of the key that is said to have signed it. */
  readonly signer: string;
  /** Fingerprint of the key that it is given to. */
  readonly holder: string;
  /** SHA-256 of its text, base64url. */
  readonly digest: string;
}

/**
 * What a chain of links says, if each follows from the one before: signed by the key to which that was given, made for that very link and no other,
 * and no wider. That the signatures hold is for the caller to check.
 */
export function grantOf(links: readonly ChainLink[]): Grant {
  const first = links[0];
  if (!first) throw new ZhongkuiError('TokenMalformed', 'a token has a link');
  if (links.length > CHAIN_LINKS_MAX) throw new ZhongkuiError('TokenWidened', `a token has at most ${CHAIN_LINKS_MAX} links`);
  if (first.previous !== undefined) throw new ZhongkuiError('TokenForged', 'the first link of the token is not the beginning of one');
  for (let i = 1; i < links.length; i++) checkDelegation(links[i - 1]!, links[i]!);
  const last = links.at(-1)!;
  return {
    id: last.id,
    name: last.name,
    holder: last.holder,
    capabilities: last.capabilities,
    limitedBy: links
      .filter(({ capabilities }) => capabilities.some(({ limits }) => limits))
      .map(({ id, capabilities }) => ({ id, capabilities })),
    notBeforeMs: Math.max(...links.map(({ notBeforeSeconds }) => notBeforeSeconds)) * 1000,
    expiresAtMs: Math.min(...links.map(({ expiresAtSeconds }) => expiresAtSeconds)) * 1000,
    revocableBy: [...new Set([first.signer, ...links.flatMap(({ id, holder }) => [id, holder])])],
  };
}

function checkDelegation(parent: ChainLink, child: ChainLink): void {
  if (child.signer !== parent.holder) throw new ZhongkuiError('TokenForged', 'a link is not signed by the holder of the one before');
  if (child.previous !== parent.digest) throw new ZhongkuiError('TokenForged', 'a link was made for another one than that before it');
  if (child.cluster !== parent.cluster) throw new ZhongkuiError('TokenWidened', 'a link is for another cluster than the one before');
  if (!isDelegatedName(child.name, parent.name))
    throw new ZhongkuiError(
      'TokenWidened',
      `${parent.name} cannot name somebody ${child.name}: a delegated name keeps the one before, or is an attempt's`,
    );
  narrow(parent.capabilities, child.capabilities);
}

/**
 * Clocks of machines differ by CLOCK_SKEW_MS_MAX at most, and a token is judged by a clock that did not make it: it counts from so much before its
 * beginning until so much after its end. So a token that was just made is good everywhere, and one that ended is dead everywhere a minute later.
 */
export const countsUntilMs = (expiresAtMs: number): number => expiresAtMs + CLOCK_SKEW_MS_MAX;

export interface Refusal {
  readonly code: ZhongkuiCode;
  readonly reason: string;
}

export function timeRefusal({ notBeforeMs, expiresAtMs }: Pick<Grant, 'notBeforeMs' | 'expiresAtMs'>, nowMs: number): Refusal | undefined {
  if (nowMs >= countsUntilMs(expiresAtMs)) return { code: 'TokenExpired', reason: `the token ended ${isoTime(expiresAtMs)}` };
  if (nowMs < notBeforeMs - CLOCK_SKEW_MS_MAX) return { code: 'TokenNotYetValid', reason: `the token begins ${isoTime(notBeforeMs)}` };
  if (notBeforeMs >= expiresAtMs) return { code: 'TokenExpired', reason: 'the token ends before it begins' };
  return undefined;
}

const isoTime = (ms: number): string => new Date(ms).toISOString();
