import type { Random } from './random.ts';

export interface BackoffOptions {
  /** @default 50 */
  firstMs?: number;
  /** @default 5_000 */
  maxMs?: number;
  /** @default 2 */
  factor?: number;
}

/** Delay before try number `attempt` (1 = the first retry): exponential, with full jitter in its upper half so that callers spread out. */
export function backoffMs(attempt: number, random: Random, options: BackoffOptions = {}): number {
  const { firstMs = 50, maxMs = 5_000, factor = 2 } = options;
  const ceiling = Math.min(maxMs, firstMs * factor ** Math.max(0, attempt - 1));
  return Math.round(ceiling / 2 + (random.next() * ceiling) / 2);
}
