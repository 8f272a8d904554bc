import type { Clock } from '../base/clock.ts';
import type { CapabilityLimits, LimitedLink } from './contract.ts';
import { CallBucket } from './core/limits.ts';
import { covers } from './core/resource.ts';

/** One capability of one link that lets a call through, and what it limits. */
export interface Allowance {
  readonly limits: CapabilityLimits;
  /** Names its bucket: all tokens that come from one link share it. */
  readonly bucket: string;
}

export interface LimitRefusal {
  readonly reason: string;
  /** When it would be let through; absent: never. */
  readonly retryAfterMs?: number;
}

/** Of a call that names nothing, for which any capability of each link for that scheme will do: whoever has one without limits, or none, is not limited. */
export function allowancesForUnnamed(links: readonly LimitedLink[], scheme: string): readonly (readonly Allowance[])[] {
  return links.flatMap(({ id, capabilities }) => {
    const allowances: Allowance[] = [];
    for (const [i, { resource, limits }] of capabilities.entries()) {
      if (!resource.startsWith(`${scheme}://`)) continue;
      if (limits === undefined) return [];
      allowances.push({ limits, bucket: bucketOf(id, i) });
    }
    return allowances.length > 0 ? [allowances] : [];
  });
}

const bucketOf = (link: string, capability: number): string => `${link} ${capability}`;

/** A bucket is some 200 bytes. Those that are full are worth nothing, and go first. */
const BUCKETS_MAX = 16_384;

/**
 * Counts calls of all callers of one guard, by link and capability. A call needs, of each link that limits it, one capability with room; it takes from all of
 * them or from none.
 */
export class Limiter {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #buckets = new Map<string, CallBucket>();

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  /** For each link that limits this, what of it lets it through. Undefined: nothing limits it. */
  allowancesFor(links: readonly LimitedLink[], operation: string, resource: string): readonly (readonly Allowance[])[] | undefined {
    const found = links.map(({ id, capabilities }) => {
      const allowances: Allowance[] = [];
      for (const [i, { resource: prefix, operations, limits }] of capabilities.entries()) {
        if (!(operations as readonly string[]).includes(operation) || !covers(prefix, resource)) continue;
        if (limits === undefined) return [];
        allowances.push({ limits, bucket: bucketOf(id, i) });
      }
      return allowances;
    });
    const limiting = found.filter((allowances) => allowances.length > 0);
    return limiting.length > 0 ? limiting : undefined;
  }

  /** One call of so many bytes, which needs all of these. */
  charge(needed: Iterable<readonly Allowance[]>, bytes: number): LimitRefusal | undefined {
    const nowMs = this.#clock.monotonicMs();
    const taken = new Map<string, CallBucket>();
    for (const allowances of needed) {
      let waitMs = Number.POSITIVE_INFINITY;
      for (const { limits, bucket: name } of allowances) {
        if (limits.bytesPerCall !== undefined && bytes > limits.bytesPerCall) continue;
        const { callsPerSecond } = limits;
        const bucket = callsPerSecond === undefined ? undefined : (taken.get(name) ?? this.#bucketOf(name, callsPerSecond, nowMs));
        const wait = bucket === undefined || taken.has(name) ? 0 : bucket.waitMs(nowMs);
        waitMs = Math.min(waitMs, wait);
        if (wait > 0) continue;
        if (bucket) taken.set(name, bucket);
        break;
      }
      if (waitMs === Number.POSITIVE_INFINITY) return { reason: `the call has ${bytes} bytes, and is allowed ${mostBytes(allowances)}` };
      if (waitMs > 0) return { reason: `more calls than are allowed in a second (${mostCalls(allowances)})`, retryAfterMs: waitMs };
    }
    for (const bucket of taken.values()) bucket.take();
    return undefined;
  }

  #bucketOf(name: string, callsPerSecond: number, nowMs: number): CallBucket {
    const found = this.#buckets.get(name);
    if (found) return found;
    if (this.#buckets.size >= BUCKETS_MAX) this.#makeRoom(nowMs);
    const bucket = new CallBucket(callsPerSecond, nowMs);
    this.#buckets.set(name, bucket);
    return bucket;
  }

  #makeRoom(nowMs: number): void {
    for (const [name, bucket] of this.#buckets) if (bucket.isFull(nowMs)) this.#buckets.delete(name);
    // All in use within one second: the one made first begins anew.
    for (const name of this.#buckets.keys()) {
      if (this.#buckets.size < BUCKETS_MAX) return;
      this.#buckets.delete(name);
    }
  }
}

const mostBytes = (allowances: readonly Allowance[]): number => Math.max(...allowances.map(({ limits }) => limits.bytesPerCall ?? 0));
const mostCalls = (allowances: readonly Allowance[]): number => Math.max(...allowances.map(({ limits }) => limits.callsPerSecond ?? 0));
