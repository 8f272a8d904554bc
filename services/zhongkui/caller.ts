import type { Clock } from '../base/clock.ts';
import type { Caller } from '../kuafu/guard-contract.ts';
import type { Grant } from './contract.ts';
import { coveringCapability } from './core/capability.ts';
import { countsUntilMs, type Refusal, timeRefusal } from './core/grant.ts';
import { cut, resourceProblem } from './core/resource.ts';
import { applyRevocations } from './core/revocation.ts';
import type { Trust } from './keys/trust-file.ts';
import { type Allowance, allowancesForUnnamed, type Limiter, type LimitRefusal } from './limiter.ts';
import type { RevocationView } from './revocations/view.ts';

/**
 * Somebody whose token and proof held. Each call asks twice, whether the token still counts and whether it allows this, and both answers are kept.
 *
 * That it counts holds until a moment that is known beforehand (its end, a revocation to come, the age of the revocations), and until somebody changes what is revoked or
 * trusted, which versions tell. So a call compares two numbers and the time: no timers, however many callers there are.
 */
export interface CallerFacts {
  readonly grant: Grant;
  /** Fingerprint of the key that signed the first link. */
  readonly issuer: string;
}

export interface CallerSources {
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  readonly trust: Trust;
  readonly revocations: RevocationView;
  /** Whether what is known of revocations counts, however old it is. */
  readonly trustStale: boolean;
  /** Shared by all callers of the guard. */
  readonly limiter: Limiter;
}

/** Verdicts kept of a caller, in each of two generations. More resources than that come from programs that name each but once. */
const VERDICTS_MAX = 128;
/** Longer names are judged anew each time, so that what is kept stays small. */
const KEPT_CHARACTERS_MAX = 256;
/** Wall clocks are set; the one that is compared for each call is not. */
const LOOK_AGAIN_MS = 1_000;

interface Verdict {
  readonly operation: string;
  readonly refusal: string | undefined;
  /** Of the capability that allows it. */
  readonly prefix: string;
  /** What of each limiting link lets it through; undefined where nothing limits it. */
  readonly allowances: readonly (readonly Allowance[])[] | undefined;
  /** For another operation on the same resource. */
  readonly next: Verdict | undefined;
}

export class GuardedCaller implements Caller {
  readonly name: string;
  readonly key: string;
  readonly grant: Grant;
  readonly #issuer: string;
  readonly #sources: CallerSources;
  readonly #clock: CallerSources['clock'];
  readonly #trust: Trust;
  readonly #revocations: RevocationView;
  #goodUntilMs = Number.NEGATIVE_INFINITY;
  #seenTrust = -1;
  #seenRevocations = -1;
  #young = new Map<string, Verdict>();
  #old = new Map<string, Verdict>();
  /** Of the question before, which is mostly asked again for the audit log. */
  #lastResource = '';
  #last: Verdict | undefined;
  /** What limits calls that name nothing, by scheme. */
  readonly #unnamed = new Map<string, readonly (readonly Allowance[])[]>();

  constructor({ grant, issuer }: CallerFacts, sources: CallerSources) {
    this.name = grant.name;
    this.key = grant.holder;
    this.grant = grant;
    this.#issuer = issuer;
    this.#sources = sources;
    this.#clock = sources.clock;
    this.#trust = sources.trust;
    this.#revocations = sources.revocations;
  }

  refusal(operation: string, resource: string): string | undefined {
    return this.ended() ?? this.#verdict(operation, resource).refusal;
  }

  limit(operation: string, resources: string | readonly string[], bytes: number): LimitRefusal | undefined {
    if (this.grant.limitedBy.length === 0) return undefined;
    if (resources.length === 0) return this.#sources.limiter.charge(this.#unnamedOf(operation), bytes);
    const needed: (readonly Allowance[])[] = [];
    for (const resource of typeof resources === 'string' ? [resources] : resources)
      needed.push(...(this.#verdict(operation, resource).allowances ?? []));
    return this.#sources.limiter.charge(needed, bytes);
  }

  /** Schemes are those of the services that are here: few. */
  #unnamedOf(scheme: string): readonly (readonly Allowance[])[] {
    let allowances = this.#unnamed.get(scheme);
    if (!allowances) this.#unnamed.set(scheme, (allowances = allowancesForUnnamed(this.grant.limitedBy, scheme)));
    return allowances;
  }

  ended(): string | undefined {
    return this.#isGood() ? undefined : this.end()?.reason;
  }

  /** Why the token counts no more. While it is not known whether it does (RevocationsStale), it may count again later. */
  end(): Refusal | undefined {
    if (this.#isGood()) return undefined;
    const { clock, trust, revocations, trustStale } = this.#sources;
    this.#seenTrust = trust.version;
    this.#seenRevocations = revocations.version;
    this.#goodUntilMs = Number.NEGATIVE_INFINITY;
    const nowMs = clock.nowMs();
    const monotonicMs = clock.monotonicMs();
    const inTime = timeRefusal(this.grant, nowMs);
    if (inTime) return inTime;
    const issuer = trust.issuer(this.#issuer);
    const issuerUntilMs = issuer ? (issuer.untilMs ?? Number.POSITIVE_INFINITY) : Number.NEGATIVE_INFINITY;
    if (issuerUntilMs <= nowMs) return { code: 'TokenForged', reason: 'the issuer of the token is trusted no more' };
    const revocation = applyRevocations(this.grant.revocableBy, revocations.revocations);
    if (revocation && revocation.fromMs <= nowMs)
      return { code: 'TokenRevoked', reason: `the token was revoked (${revocation.of}): ${revocation.reason}` };
    const freshUntilMs = trustStale ? Number.POSITIVE_INFINITY : revocations.freshUntilMs;
    if (freshUntilMs <= monotonicMs)
      return {
        code: 'RevocationsStale',
        reason: 'this server has not heard of revocations for too long, and lets nobody in until it does',
      };
    const endsAtMs = Math.min(countsUntilMs(this.grant.expiresAtMs), issuerUntilMs, revocation?.fromMs ?? Number.POSITIVE_INFINITY);
    this.#goodUntilMs = Math.min(monotonicMs + Math.min(endsAtMs - nowMs, LOOK_AGAIN_MS), freshUntilMs);
    return undefined;
  }

  /** The prefix of the capability that lets a call through; empty if none does. */
  prefixOf(operation: string, resource: string): string {
    return this.#verdict(operation, resource).prefix;
  }

  #isGood(): boolean {
    return (
      this.#clock.monotonicMs() < this.#goodUntilMs &&
      this.#seenRevocations === this.#revocations.version &&
      this.#seenTrust === this.#trust.version
    );
  }

  #verdict(operation: string, resource: string): Verdict {
    if (this.#last !== undefined && this.#last.operation === operation && this.#lastResource === resource) return this.#last;
    this.#last = this.#look(operation, resource);
    this.#lastResource = resource;
    return this.#last;
  }

  #look(operation: string, resource: string): Verdict {
    let known = this.#young.get(resource);
    for (let verdict = known; verdict; verdict = verdict.next) if (verdict.operation === operation) return verdict;
    if (known === undefined) {
      known = this.#old.get(resource);
      for (let verdict = known; verdict; verdict = verdict.next) if (verdict.operation === operation) return this.#keep(resource, verdict);
    }
    return this.#keep(resource, this.#judge(operation, resource, known));
  }

  #keep(resource: string, verdict: Verdict): Verdict {
    if (resource.length > KEPT_CHARACTERS_MAX) return verdict;
    if (this.#young.size >= VERDICTS_MAX) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(resource, verdict);
    return verdict;
  }

  #judge(operation: string, resource: string, known: Verdict | undefined): Verdict {
    // Operations are few, but the word comes from outside this room.
    const next = known && lengthOf(known) < 8 ? known : undefined;
    const problem = resourceProblem(resource);
    if (problem !== undefined) return { ...REFUSED, operation, refusal: `${JSON.stringify(cut(resource))} ${problem}`, next };
    const covering = coveringCapability(this.grant.capabilities, operation, resource);
    if (covering) {
      const allowances = this.#sources.limiter.allowancesFor(this.grant.limitedBy, operation, resource);
      return { operation, refusal: undefined, prefix: covering.resource, allowances, next };
    }
    return { ...REFUSED, operation, refusal: `${this.name} has no capability to ${operation} ${cut(resource)}`, next };
  }
}

const REFUSED = { prefix: '', allowances: undefined };

function lengthOf(verdict: Verdict): number {
  let length = 0;
  for (let at: Verdict | undefined = verdict; at; at = at.next) length++;
  return length;
}
