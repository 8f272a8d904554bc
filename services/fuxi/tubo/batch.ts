/**
 * A batch: attempts one after the other in one container, a result for each.
 *
 * The budget. A batch was cut to a length that was guessed. When its time is up and it is still at work, what it has so far is told to the
 * TaskMaster at once, what it has not begun is given back, and only the attempt that runs goes on.
 *
 * Giving up. When the batch's signal aborts, the process group is killed that instant, and what it left, scratch and a half-written output,
 * is removed. The running attempt's result then carries the code of the signal's reason.
 */
import { backoffMs } from '../../base/backoff.ts';
import { systemClock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import { currentTrace } from '../../base/trace.ts';
import type { PanguClient } from '../../pangu/contract.ts';
import {
  type AttemptResult,
  attemptPath,
  type BatchHeartbeat,
  type BatchRequest,
  type BatchResult,
  type FuxiCode,
  FuxiError,
  type PartialSignal,
  SIGNALS,
  type WorkflowPort,
} from '../contract.ts';
import { attemptFailure } from '../runner/failures.ts';
import type { AttemptOrder } from '../runner/messages.ts';
import type { AttemptIdentities, RunningIdentity } from './attempt-identity.ts';
import { type AttemptTable, logFile } from './attempt-table.ts';
import type { Container } from './container.ts';
import type { AttemptTelling } from './tell.ts';

const HEARTBEAT_MS = 1_000;

export interface BatchServices {
  pangu: PanguClient;
  workflows: WorkflowPort;
  table: AttemptTable;
  /** Told of every attempt that ended. */
  telling?: AttemptTelling;
  /** Absent where nobody asks who calls. */
  identities?: AttemptIdentities;
  logsDirectory: string;
  log: Logger;
}

export interface BatchControl {
  /** Its reason is a FuxiError (`Killed`, `NodeLost`) that says why. */
  signal: AbortSignal;
  heartbeat(details: BatchHeartbeat): void;
}

export async function runBatch(
  request: BatchRequest,
  container: Container,
  control: BatchControl,
  services: BatchServices,
): Promise<BatchResult> {
  const batch = new Batch(request, container, control.signal, services);
  const beat = setInterval(() => control.heartbeat(batch.state), HEARTBEAT_MS);
  const kill = (): void => void container.kill();
  control.signal.addEventListener('abort', kill);
  try {
    return await batch.run();
  } finally {
    clearInterval(beat);
    control.signal.removeEventListener('abort', kill);
  }
}

class Batch {
  readonly #request: BatchRequest;
  readonly #container: Container;
  readonly #signal: AbortSignal;
  readonly #services: BatchServices;
  readonly #waiting: BatchRequest['attempts'];
  readonly #results: AttemptResult[] = [];
  #running: BatchHeartbeat['running'];
  /** Results the TaskMaster has for certain. */
  #told = 0;
  #telling: Promise<void> | undefined;

  constructor(request: BatchRequest, container: Container, signal: AbortSignal, services: BatchServices) {
    this.#request = request;
    this.#container = container;
    this.#signal = signal;
    this.#services = services;
    this.#waiting = [...request.attempts];
  }

  get state(): BatchHeartbeat {
    const done = this.#results.length;
    const running = this.#running;
    return { done, of: done + (running ? 1 : 0) + this.#waiting.length, ...(running ? { running } : {}) };
  }

  async run(): Promise<BatchResult> {
    const budget = setTimeout(() => {
      this.#telling = this.#tellPartial();
    }, this.#request.budgetMs);
    try {
      for (let next = this.#waiting.shift(); next && !this.#signal.aborted; next = this.#waiting.shift()) {
        this.#running = { instance: next.instance, attempt: next.attempt, bytesIn: 0, recordsIn: 0 };
        this.#results.push(await this.#attempt(next));
        this.#running = undefined;
      }
    } finally {
      clearTimeout(budget);
    }
    await this.#telling;
    return { results: this.#results.slice(this.#told) };
  }

  async #attempt({ instance, attempt }: BatchRequest['attempts'][number]): Promise<AttemptResult> {
    const { table, logsDirectory } = this.#services;
    const { job, task } = this.#request;
    const startedAtMs = Date.now();
    const place = { runId: job.runId, task, instance, attempt };
    const row = table.begin({ ...place, startedAtMs });
    let result: AttemptResult;
    let identity: RunningIdentity | undefined;
    try {
      const runner = await this.#container.runner(this.#request);
      row.pid = runner.pid;
      if (this.#signal.aborted) await runner.kill();
      identity = await this.#services.identities?.begin(this.#request, place, (renewed) => runner.renew(renewed));
      const order = { ...this.#order(instance, attempt, logFile(logsDirectory, place)), identity: identity?.identity };
      result = await runner.run(order, ({ bytesIn, recordsIn }) => {
        this.#running = { instance, attempt, bytesIn, recordsIn };
      });
    } catch (error) {
      const failure = attemptFailure(error);
      result = { instance, attempt, ok: false, ms: Date.now() - startedAtMs, code: failure.code, message: failure.reason };
    }
    const aborted = this.#signal.aborted && !result.ok;
    identity?.end(aborted);
    if (aborted) result = { instance, attempt, ok: false, ms: Date.now() - startedAtMs, ...this.#whyAborted() };
    const state = result.ok ? 'done' : aborted ? 'killed' : 'failed';
    table.end(row, state);
    this.#services.telling?.ended(state, result);
    await this.#cleanUp(result);
    return result;
  }

  #order(instance: number, attempt: number, file: string): AttemptOrder {
    const { job, task, resources, program, input, output } = this.#request;
    return {
      job,
      task,
      resources,
      program,
      input,
      output,
      instance,
      attempt,
      packaged: this.#request.package !== undefined,
      logFile: file,
      trace: currentTrace(),
    };
  }

  #whyAborted(): { code: FuxiCode; message: string } {
    const { reason } = this.#signal;
    return reason instanceof FuxiError ? { code: reason.code, message: reason.reason } : { code: 'Killed', message: 'it was given up' };
  }

  async #cleanUp(result: AttemptResult): Promise<void> {
    const { pangu, log } = this.#services;
    const { output } = this.#request;
    try {
      if (result.ok && (await this.#container.tidy())) return;
      await this.#container.end();
      if (!result.ok && output.kind !== 'none') {
        await pangu.rm(attemptPath(output.directory, result.instance, result.attempt), { force: true, skipTrash: true });
      }
    } catch (error) {
      log.warn({ error, instance: result.instance, attempt: result.attempt }, 'attempt.leftovers');
    }
  }

  /** Tries until it is told or the batch is over. A result told twice is known by its attempt; one never told would be lost. */
  async #tellPartial(): Promise<void> {
    const { workflows, log } = this.#services;
    const { container, batch, taskWorkflowId, taskRunId } = this.#request;
    const results = [...this.#results];
    const released = this.#waiting.splice(0).map(({ instance }) => instance);
    if (results.length + released.length === 0) return;
    const partial: PartialSignal = { container: container.id, batch, results, released };
    for (let attempt = 1; this.#running; attempt++) {
      try {
        await workflows.signal(taskWorkflowId, taskRunId, SIGNALS.partial, partial);
        this.#told = results.length;
        return;
      } catch (error) {
        log.warn({ error, taskWorkflowId, attempt }, 'partial.untold');
        await systemClock.sleep(backoffMs(attempt, systemRandom, { firstMs: 200, maxMs: 3_000 }));
      }
    }
  }
}
