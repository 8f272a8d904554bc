import { FeitianError, messageOf } from '../../base/errors.ts';
import { encodeBody } from '../codec.ts';
import { KuafuError } from '../contract.ts';
import { type IdentifyBody, SLOTS_MAX } from '../core/identify.ts';
import { type Challenge, CREDENTIALS_BYTES_MAX, type Identity } from '../guard-contract.ts';

/** An identity as this connection has shown it. */
interface Shown {
  readonly slot: number;
  readonly version: number;
  /** When the server last said that it does not take it. */
  refusedAtMs: number | undefined;
}

/** Credentials that were refused may be taken a little later (the server did not know the issuer yet, clocks differed): shown anew so often, at most. */
const SHOW_AGAIN_MS = 1_000;

/**
 * Whom one connection has told the server about, and under which numbers. An identity is shown before the first call that is made with it, again under another
 * number once it has new credentials, and again a while after it was refused; the server need not answer, so showing costs no round trip.
 */
export class Slots {
  readonly #challenge: Challenge;
  /** Hands the frame to the connection, ahead of the request it is for. */
  readonly #send: (slot: number, body: Uint8Array) => void;
  /** Slots of calls that are under way. Asked for only once all slots have been given. */
  readonly #inUse: () => ReadonlySet<number>;
  /** The one shown longest ago first. */
  readonly #shown = new Map<Identity, Shown>();
  /** Of identities that stand in a newer slot by now. */
  readonly #left: number[] = [];
  #given = 0;

  constructor(challenge: Challenge, send: (slot: number, body: Uint8Array) => void, inUse: () => ReadonlySet<number>) {
    this.#challenge = challenge;
    this.#send = send;
    this.#inUse = inUse;
  }

  /** Shows the identity if it must be. Throws KuafuError Unauthenticated (it has no credentials), Overloaded (all slots are in use). */
  slotOf(identity: Identity, nowMs: number): number {
    const shown = this.#shown.get(identity);
    if (shown?.version === identity.version && !isDue(shown, nowMs)) return shown.slot;
    // Read before the credentials are made: should they change meanwhile they are shown once more than needed, never once less.
    const { version } = identity;
    const body = this.#present(identity);
    const slot = this.#take();
    if (shown && shown.slot !== slot) this.#left.push(shown.slot);
    this.#shown.delete(identity);
    this.#shown.set(identity, { slot, version, refusedAtMs: undefined });
    this.#send(slot, body);
    return slot;
  }

  /** The server does not take, or no longer takes, what stands in this slot. */
  refused(slot: number, nowMs: number): void {
    for (const shown of this.#shown.values()) if (shown.slot === slot) shown.refusedAtMs ??= nowMs;
  }

  #present(identity: Identity): Uint8Array {
    let body: Uint8Array;
    try {
      const { token, proof } = identity.present(this.#challenge);
      body = encodeBody([token, proof] satisfies IdentifyBody);
    } catch (error) {
      const details = error instanceof FeitianError ? { cause: error.code } : {};
      throw new KuafuError('Unauthenticated', `there are no credentials to show: ${messageOf(error)}`, { cause: error, details });
    }
    if (body.length > CREDENTIALS_BYTES_MAX)
      throw new KuafuError('Unauthenticated', `credentials of ${body.length} bytes, the limit is ${CREDENTIALS_BYTES_MAX}`);
    return body;
  }

  /** Numbers that were never used first, then those that were left, then the one shown longest ago; never one that a call under way was made with. */
  #take(): number {
    if (this.#given < SLOTS_MAX) return ++this.#given;
    const inUse = this.#inUse();
    const left = this.#left.findIndex((slot) => !inUse.has(slot));
    if (left >= 0) return this.#left.splice(left, 1)[0]!;
    for (const [identity, { slot }] of this.#shown) {
      if (inUse.has(slot)) continue;
      this.#shown.delete(identity);
      return slot;
    }
    throw new KuafuError('Overloaded', `calls of ${SLOTS_MAX} identities are under way on this connection`);
  }
}

function isDue({ refusedAtMs }: Shown, nowMs: number): boolean {
  return refusedAtMs !== undefined && nowMs - refusedAtMs >= SHOW_AGAIN_MS;
}
