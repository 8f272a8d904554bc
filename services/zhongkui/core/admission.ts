/**
 * Whom the authority certifies as what. Pure rules over what is known; each answers with the reason of a refusal, or undefined.
 *
 *   A token lets one key in. The same key may come again while the token is good (its answer may have been lost); another key may not.
 *   A token that names a machine is good for that machine alone, known or new. One that does not is for machines that are not known yet.
 *   An address belongs to the machine that has a living certificate for it, unless the token names it. Addresses of loopback belong to all.
 *   A renewal asks for what the certificate has, or less.
 */
import { addressProblem, isLabel, isLoopback, machineNameOf } from './machine-names.ts';

/** What is kept of a token. */
export interface TokenRecord {
  readonly id: string;
  /** Public half of its key, base64url. */
  readonly key: string;
  readonly machine?: string | undefined;
  /** Those the machine may have. Absent: any that no other machine has. */
  readonly addresses?: readonly string[] | undefined;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

/** Who used a token. */
export interface TokenUse {
  /** SHA-256 of the public key that was certified, base64url. */
  readonly key: string;
  readonly machine: string;
  readonly atMs: number;
}

/** What the authority remembers of a machine: its latest certificate. */
export interface MachineRecord {
  readonly machine: string;
  readonly addresses: readonly string[];
  /** Of the token that let it in. */
  readonly token: string;
  readonly serial: string;
  readonly notAfterMs: number;
  /** Why it gets no certificate any more. */
  readonly barred?: string | undefined;
}

/** What a request for a certificate asks for, as it was read. */
export interface Requested {
  /** The subject's common name. */
  readonly machine: string;
  readonly names: readonly string[];
  /** In canonical form. */
  readonly addresses: readonly string[];
  /** SHA-256 of the public key, base64url. */
  readonly key: string;
}

export const ADDRESSES_MAX = 16;

/** Whether a request is one that any machine of the cluster could make. */
export function requestProblem(requested: Requested, cluster: string): string | undefined {
  const { machine, names, addresses } = requested;
  if (!isLabel(machine)) return 'the subject must be CN=<machine>, in lower-case letters, digits and dashes';
  const own = machineNameOf(machine, cluster);
  if (names.length !== 1 || names[0] !== own) return `its only name must be ${own}`;
  if (addresses.length > ADDRESSES_MAX) return `it has more than ${ADDRESSES_MAX} addresses`;
  if (new Set(addresses).size < addresses.length) return 'it has an address twice';
  for (const address of addresses) {
    const problem = addressProblem(address);
    if (problem) return `${address} ${problem}`;
  }
  return undefined;
}

/** Whether a token lets this key in at all. `use`: by whom it was used. */
export function tokenProblem(token: TokenRecord, use: TokenUse | undefined, requested: Requested, nowMs: number): string | undefined {
  if (nowMs >= token.expiresAtMs) return 'the token has expired';
  if (use && (use.key !== requested.key || use.machine !== requested.machine))
    return `the token was used${use.key === requested.key ? ` for ${use.machine}` : ', by another key'}`;
  return undefined;
}

/** Whether a token that lets this key in is for this machine with these addresses. */
export function placeProblem(
  token: TokenRecord,
  requested: Requested,
  machines: Iterable<MachineRecord>,
  nowMs: number,
): string | undefined {
  const { machine, addresses } = requested;
  if (token.machine !== undefined && token.machine !== machine) return `the token is for ${token.machine}, not for ${machine}`;
  for (const known of machines) {
    if (known.machine === machine) {
      if (known.barred !== undefined && token.machine !== machine) return `${machine} is barred: ${known.barred}`;
      if (token.machine === undefined && known.token !== token.id)
        return `there is a machine ${machine} already, and the token does not name it`;
    } else if (token.addresses === undefined && nowMs < known.notAfterMs) {
      const taken = known.addresses.find((address) => addresses.includes(address) && !isLoopback(address));
      if (taken !== undefined) return `${taken} belongs to ${known.machine}`;
    }
  }
  if (token.addresses === undefined) return undefined;
  const strange = addresses.find((address) => !token.addresses!.includes(address) && !isLoopback(address));
  return strange === undefined ? undefined : `the token does not allow ${strange}`;
}

/** Whether a certificate may be renewed into what is asked for. */
export function renewalProblem(
  current: Pick<Requested, 'machine' | 'addresses'>,
  requested: Requested,
  known: MachineRecord | undefined,
): string | undefined {
  const { machine } = current;
  if (requested.machine !== machine) return `the certificate is of ${machine}, not of ${requested.machine}`;
  if (known?.barred !== undefined) return `${machine} is barred: ${known.barred}`;
  const strange = requested.addresses.find((address) => !current.addresses.includes(address));
  return strange === undefined ? undefined : `the certificate is not for ${strange}: join again with a token to change addresses`;
}
