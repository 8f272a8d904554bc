import { X509Certificate } from 'node:crypto';
import { type Clock, systemClock } from '../../base/clock.ts';
import { newId } from '../../base/ids.ts';
import { ZhongkuiError } from '../contract.ts';
import { ADDRESSES_MAX } from '../core/admission.ts';
import { formatJoinToken, JOIN_TTL_MS_DEFAULT, JOIN_TTL_MS_MAX } from '../core/join-token.ts';
import { addressProblem, isLabel } from '../core/machine-names.ts';
import type { Authority, Root } from './authority.ts';
import { canonicalAddress, fingerprintOf } from './encodings.ts';
import type { JoinStore } from './join-store.ts';
import { newJoinSecret } from './proofs.ts';

export interface JoinTokenOptions {
  /** The only machine it is for. @default one that is not known yet */
  machine?: string;
  /** Addresses that the machine may have. @default any that no other machine has */
  addresses?: readonly string[];
  /** @default an hour; at most a day */
  ttlMs?: number;
}

/** Makes a token that lets one machine in. Its text is in the answer and nowhere else. Errors: CertificateRefused. */
export async function createJoinToken(
  { authority, store, clock = systemClock }: { authority: Authority; store: JoinStore; clock?: Clock },
  { machine, addresses, ttlMs = JOIN_TTL_MS_DEFAULT }: JoinTokenOptions = {},
): Promise<{ id: string; token: string; expiresAtMs: number }> {
  if (machine !== undefined && !isLabel(machine))
    throw refused(`${machine} is no name for a machine: lower-case letters, digits and dashes`);
  if (!(ttlMs > 0 && ttlMs <= JOIN_TTL_MS_MAX)) throw refused(`a token is good for at most ${JOIN_TTL_MS_MAX / 3_600_000} hours`);
  const createdAtMs = clock.nowMs();
  const expiresAtMs = createdAtMs + ttlMs;
  const signing = await authority.signing();
  const roots = (await authority.trusted()).filter((root) => root.signsFromMs >= signing.signsFromMs && root.signsFromMs < expiresAtMs);
  const { secret, key } = newJoinSecret();
  const id = newId();
  await store.add({
    id,
    key,
    ...(machine === undefined ? {} : { machine }),
    ...(addresses === undefined ? {} : { addresses: addresses.map(checkedAddress) }),
    createdAtMs,
    expiresAtMs,
  });
  const token = formatJoinToken({ cluster: authority.cluster, id, secret, roots: roots.map(fingerprintOfRoot) });
  return { id, token, expiresAtMs };
}

/** How a join token names a root. */
export function fingerprintOfRoot({ certificate }: Pick<Root, 'certificate'>): string {
  return fingerprintOf(new X509Certificate(certificate).raw);
}

function checkedAddress(text: string, i: number): string {
  if (i >= ADDRESSES_MAX) throw refused(`a machine has at most ${ADDRESSES_MAX} addresses`);
  const address = canonicalAddress(text);
  const problem = address === undefined ? 'is no address' : addressProblem(address);
  if (address === undefined || problem !== undefined) throw refused(`${text} ${problem}`);
  return address;
}

function refused(reason: string): ZhongkuiError {
  return new ZhongkuiError('CertificateRefused', reason);
}
