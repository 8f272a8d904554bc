import type { CapabilityLimits } from '../contract.ts';

/**
 * Limits of a capability: how often, and how much at once. They are narrowed as the rest is, by smaller numbers.
 *
 * Smaller numbers alone would not do: whoever may call ten times a second could give ten times a second to each of a hundred others. So a call is counted against every
 * link of its token that limits it, and all tokens that come from one link are counted together.
 */
export const LIMIT_NAMES = ['callsPerSecond', 'bytesPerCall'] as const;

const CALLS_PER_SECOND_MAX = 1_000_000;
const BYTES_PER_CALL_MAX = 2 ** 40;

/** What is wrong with them, as the end of a sentence. */
export function limitsProblem(limits: CapabilityLimits | undefined): string | undefined {
  if (limits === undefined) return undefined;
  const { callsPerSecond, bytesPerCall } = limits;
  if (callsPerSecond === undefined && bytesPerCall === undefined) return 'has limits that limit nothing';
  if (!isCount(callsPerSecond, CALLS_PER_SECOND_MAX)) return `has callsPerSecond that is no whole number from 1 to ${CALLS_PER_SECOND_MAX}`;
  if (!isCount(bytesPerCall, BYTES_PER_CALL_MAX)) return `has bytesPerCall that is no whole number from 1 to ${BYTES_PER_CALL_MAX}`;
  return undefined;
}

const isCount = (count: number | undefined, max: number): boolean =>
  count === undefined || (Number.isInteger(count) && count >= 1 && count <= max);

/** Whatever `outer` limits, `inner` limits at least as much. */
export function isWithinLimits(inner: CapabilityLimits | undefined, outer: CapabilityLimits | undefined): boolean {
  if (outer === undefined) return true;
  return LIMIT_NAMES.every((name) => outer[name] === undefined || (inner?.[name] ?? Number.POSITIVE_INFINITY) <= outer[name]);
}

/** `;callsPerSecond=10;bytesPerCall=4096`, in this order; nothing where there are none. */
export function formatLimits(limits: CapabilityLimits | undefined): string {
  return LIMIT_NAMES.map((name) => (limits?.[name] === undefined ? '' : `;${name}=${limits[name]}`)).join('');
}

/** Of `callsPerSecond=10` and the like; or in one sentence what is wrong with them. */
export function parseLimits(texts: readonly string[]): CapabilityLimits | undefined | string {
  if (texts.length === 0) return undefined;
  const limits: { -readonly [Name in keyof CapabilityLimits]: CapabilityLimits[Name] } = {};
  for (const text of texts) {
    const [, word, digits] = /^(\w+)=(\d{1,15})$/.exec(text) ?? [];
    const name = LIMIT_NAMES.find((each) => each === word);
    if (name === undefined)
      return `${JSON.stringify(text.slice(0, 100))} is no limit: limits are ${LIMIT_NAMES.map((each) => `${each}=<number>`).join(' and ')}`;
    if (limits[name] !== undefined) return `${name} stands there twice`;
    limits[name] = Number(digits);
  }
  return limits;
}

/** Calls that may be made now: as many as one second's worth at once, and then as they come back, evenly. */
export class CallBucket {
  readonly #perSecond: number;
  #left: number;
  #atMs: number;

  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#left = perSecond;
    this.#atMs = nowMs;
  }

  /** How long until there is room for one call; 0: now. */
  waitMs(nowMs: number): number {
    this.#refill(nowMs);
    return this.#left >= 1 ? 0 : Math.ceil(((1 - this.#left) * 1000) / this.#perSecond);
  }

  take(): void {
    this.#left -= 1;
  }

  /** Nothing was taken that has not come back: one made anew would be the same. */
  isFull(nowMs: number): boolean {
    this.#refill(nowMs);
    return this.#left >= this.#perSecond;
  }

  #refill(nowMs: number): void {
    const more = (Math.max(0, nowMs - this.#atMs) * this.#perSecond) / 1000;
    this.#atMs = Math.max(this.#atMs, nowMs);
    this.#left = Math.min(this.#perSecond, this.#left + more);
  }
}
