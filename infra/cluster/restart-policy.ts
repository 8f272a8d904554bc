import { type BackoffOptions, backoffMs } from '../../services/base/backoff.ts';
import type { Random } from '../../services/base/random.ts';

/**
 * When a process that died is started again. Soon at first, as most deaths are single ones and work waits; then ever later, so that one that dies
 * at every start does not eat the machine. One that has been up for a while starts with a clean slate.
 */
const RESTART: Required<Pick<BackoffOptions, 'firstMs' | 'maxMs'>> = { firstMs: 200, maxMs: 5_000 };
const STABLE_MS = 10_000;

/** @param upMs how long it was ready before it died; 0 when it never was. */
export function afterDeath(failures: number, upMs: number, random: Random): { failures: number; delayMs: number } {
  const counted = upMs >= STABLE_MS ? 1 : failures + 1;
  return { failures: counted, delayMs: backoffMs(counted, random, RESTART) };
}
