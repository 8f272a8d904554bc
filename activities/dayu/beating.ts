import { CancelledFailure, Context } from '@temporalio/activity';

/** Well within the heartbeat timeouts of these activities. */
const BEAT_MS = 2_000;

export interface Beating {
  /** What heartbeats tell from now on. */
  tell(details: unknown): void;
  /** Throws once the activity was cancelled. */
  check(): void;
  sleep(ms: number): Promise<void>;
}

/** Runs `work` with heartbeats beside it, however long a single step of it takes. */
export async function beating<T>(work: (beat: Beating) => Promise<T>): Promise<T> {
  const context = Context.current();
  let details: unknown = {};
  const timer = setInterval(() => context.heartbeat(details), BEAT_MS);
  const check = (): void => {
    const { aborted, reason } = context.cancellationSignal;
    if (aborted) throw reason instanceof CancelledFailure ? reason : new CancelledFailure('cancelled');
  };
  try {
    return await work({
      tell(told) {
        details = told;
        context.heartbeat(details);
      },
      check,
      sleep: (ms) => context.sleep(ms),
    });
  } finally {
    clearInterval(timer);
  }
}
