import { Context } from '@temporalio/activity';
import { Pace, paceOfOne } from '../../services/pangu/core/pace.ts';
import type { WorkStep } from '../../services/pangu/work-contract.ts';

/**
 * What the steps of a repair, a balance and a drain share: heartbeats, an end in time, a pace. A step that is told to stop (a pause, another pace, a
 * cancellation) begins nothing more, waits for what is under way, and says what it did: so nothing is done that is not counted.
 */
export interface Stepping {
  /** Whether there is time for more. */
  more(): boolean;
  /** Waits until these bytes may be moved; false when there is no time for them any more. */
  admit(bytes: number): Promise<boolean>;
  counted(bytes: number): void;
  sleep(ms: number): Promise<void>;
  /** Since it began. */
  elapsedMs(): number;
  /** For one of so many copies that are made at once. */
  paceOfOne(atOnce: number): number;
  readonly total: Pick<WorkStep, 'replicas' | 'bytes'>;
}

export interface StepRequest {
  stepMs: number;
  bytesPerSecond: number;
}

/** Well within the heartbeat timeout. */
const BEAT_MS = 2_000;

export async function stepping<T>({ stepMs, bytesPerSecond }: StepRequest, work: (step: Stepping) => Promise<T>): Promise<T> {
  const context = Context.current();
  const { cancellationSignal } = context;
  const beganAtMs = performance.now();
  const total = { replicas: 0, bytes: 0 };
  const pace = new Pace(bytesPerSecond);
  const beat = setInterval(() => context.heartbeat(total), BEAT_MS);
  const more = (): boolean => !cancellationSignal.aborted && performance.now() < beganAtMs + stepMs;
  const sleep = (ms: number): Promise<void> => context.sleep(ms).catch(() => {});
  try {
    return await work({
      more,
      sleep,
      total,
      paceOfOne: (atOnce) => paceOfOne(bytesPerSecond, atOnce),
      elapsedMs: () => performance.now() - beganAtMs,
      admit: async (bytes) => {
        await sleep(pace.take(bytes, performance.now()));
        return !cancellationSignal.aborted;
      },
      counted: (bytes) => {
        total.replicas++;
        total.bytes += bytes;
        context.heartbeat(total);
      },
    });
  } finally {
    clearInterval(beat);
  }
}

/** The largest chunk from a slow disk, from each of its replicas. */
export const MOVE_TIMEOUT_MS = 15 * 60_000;

/** `3 replicas: are being written to; 1 replica: no other server has 64 bytes free`. */
export function describeWaiting(waiting: ReadonlyMap<string, number>): string {
  return [...waiting]
    .map(([why, count]) => `${count} ${count === 1 ? 'replica' : 'replicas'}: ${why}`)
    .join('; ')
    .slice(0, 500);
}
