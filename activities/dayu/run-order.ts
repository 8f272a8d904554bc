import { ApplicationFailure, CancelledFailure, Context } from '@temporalio/activity';
import { type DayuControl, DayuError } from '../../services/dayu/contract.ts';

/** Workflows give an activity up when they hear nothing for a few seconds, so each beat comes well before. */
const BEAT_MS = 1_000;

/**
 * Runs one thing that a workflow wants of a node's agent: tells every second what is going on, passes cancellation on, and turns Dayu's refusals into
 * failures with their code as type, which no retry can mend. What else goes wrong (Nuwa or Pangu away for now, the node stopping) may be tried again.
 */
export async function runOrder<T>(work: (control: DayuControl) => Promise<T>): Promise<T> {
  const context = Context.current();
  const { cancellationSignal: signal } = context;
  let doing = 'beginning';
  const beat = (): void => context.heartbeat({ doing });
  beat();
  const timer = setInterval(beat, BEAT_MS);
  try {
    return await work({
      signal,
      heartbeat(now) {
        doing = now;
        beat();
      },
    });
  } catch (error) {
    throw isShutdown(signal) ? nodeStopping() : signal.aborted ? signal.reason : asFailure(error);
  } finally {
    clearInterval(timer);
  }
}

/** The engine takes a cancelled activity's failure for what it is only when it asked for it; a node that stops is another matter. */
function isShutdown({ aborted, reason }: AbortSignal): boolean {
  return aborted && reason instanceof CancelledFailure && reason.message === 'WORKER_SHUTDOWN';
}

function nodeStopping(): ApplicationFailure {
  return ApplicationFailure.create({ type: 'NodeStopping', message: 'the agent of this node was stopped' });
}

function asFailure(error: unknown): unknown {
  if (!(error instanceof DayuError)) return error;
  const { code, message, details } = error;
  return ApplicationFailure.create({ nonRetryable: true, type: code, message, details: [details], cause: error });
}
