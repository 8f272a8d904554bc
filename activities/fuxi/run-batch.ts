import { ApplicationFailure, CancelledFailure, Context } from '@temporalio/activity';
import { type AttemptResult, type BatchHeartbeat, type BatchRequest, type BatchResult, FuxiError } from '../../services/fuxi/contract.ts';

/** What the activity needs of the node it runs on. Tubo is one. */
export interface BatchRunner {
  readonly node: string;
  runBatch(request: BatchRequest, control: { signal: AbortSignal; heartbeat: (details: BatchHeartbeat) => void }): Promise<BatchResult>;
}

/** A failure with its details stays well below Temporal's limit of 2 MB for one payload. */
const MESSAGES_BYTES_MAX = 256 * 1024;
const LINE_MAX = 500;

/** Runs attempts one after the other in a container of this node. Queue `tubo:<node>`. */
export function createRunBatch(runner: BatchRunner) {
  return async function runBatch(request: BatchRequest): Promise<BatchResult> {
    const context = Context.current();
    const abort = new AbortController();
    let cancelled: CancelledFailure | undefined;
    const onCancel = (): void => {
      const { reason } = context.cancellationSignal;
      cancelled = reason instanceof CancelledFailure ? reason : new CancelledFailure('cancelled');
      abort.abort(whyAborted(cancelled));
    };
    if (context.cancellationSignal.aborted) onCancel();
    else context.cancellationSignal.addEventListener('abort', onCancel, { once: true });

    const { results } = await runner.runBatch(request, { signal: abort.signal, heartbeat: (details) => context.heartbeat(details) });
    const result = { results: shorten(results) };
    // The engine takes a cancelled activity's failure for what it is only when it asked for it.
    if (cancelled && !isShutdown(cancelled)) throw new CancelledFailure(cancelled.message, [result]);
    const failed = results.find((attempt) => !attempt.ok);
    if (!failed || failed.ok) return result;
    throw ApplicationFailure.create({ nonRetryable: true, type: 'AttemptFailed', message: describe(request, failed), details: [result] });
  };
}

/** Such as `map 12, attempt 2 on node-3: ProgramFailed: exit code 3: no such table`. */
function describe(request: BatchRequest, { instance, attempt, code, message }: AttemptResult & { ok: false }): string {
  return `${request.task} ${instance}, attempt ${attempt} on ${request.container.node}: ${code}: ${firstLine(message)}`;
}

function isShutdown(cancelled: CancelledFailure): boolean {
  return cancelled.message === 'WORKER_SHUTDOWN';
}

function whyAborted(cancelled: CancelledFailure): FuxiError {
  if (isShutdown(cancelled)) return new FuxiError('NodeLost', 'its Tubo was stopped');
  return new FuxiError('Killed', 'it was cancelled');
}

/** Messages carry the tail of standard error; when many attempts failed, only the first few keep theirs. */
function shorten(results: AttemptResult[]): AttemptResult[] {
  let bytes = 0;
  return results.map((result) => {
    if (result.ok) return result;
    bytes += Buffer.byteLength(result.message);
    return bytes <= MESSAGES_BYTES_MAX ? result : { ...result, message: firstLine(result.message) };
  });
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0]!.slice(0, LINE_MAX);
}
