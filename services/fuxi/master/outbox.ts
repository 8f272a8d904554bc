import { backoffMs } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import type { WorkflowPort } from '../contract.ts';
import { requesterKey, type TaskMasterRun } from '../core/pool-state.ts';

export interface OutboxOptions {
  workflows: WorkflowPort;
  clock: Clock;
  random: Random;
  log: Logger;
  /** A TaskMaster's run has ended: nothing more is sent to it. */
  onGone: (taskMaster: TaskMasterRun) => void;
}

interface Letter {
  name: string;
  payload: unknown;
  settled: () => void;
}

/** While the workflow engine is away: tried at once when it may be back, without pressing it. */
const RETRY_BACKOFF = { firstMs: 100, maxMs: 2_000 };

/** Signals to TaskMasters: one line for each, in order, each signal tried until the engine has it or says that the run is gone. */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #lines = new Map<string, Letter[]>();
  readonly #closing = new AbortController();

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Resolves when the signal was taken, or cannot be any more. Never rejects. */
  send(to: TaskMasterRun, name: string, payload: unknown): Promise<void> {
    return new Promise((settled) => {
      const key = requesterKey(to);
      const letter = { name, payload, settled };
      const line = this.#lines.get(key);
      if (line) {
        line.push(letter);
        return;
      }
      const fresh = [letter];
      this.#lines.set(key, fresh);
      void this.#deliver(to, key, fresh);
    });
  }

  /** What was not sent yet is dropped: a FuxiMaster that comes after has other books. */
  close(): void {
    this.#closing.abort();
  }

  async #deliver(to: TaskMasterRun, key: string, line: Letter[]): Promise<void> {
    for (let letter = line[0]; letter; letter = line[0]) {
      const outcome = await this.#signal(to, letter);
      if (outcome === 'sent') {
        line.shift();
        letter.settled();
        continue;
      }
      for (const { settled } of line.splice(0)) settled();
      if (outcome === 'gone') this.#options.onGone(to);
    }
    // In the turn that saw the line empty: who comes a moment later begins a new one.
    this.#lines.delete(key);
  }

  async #signal({ taskWorkflowId, taskRunId }: TaskMasterRun, { name, payload }: Letter): Promise<'sent' | 'gone' | 'closed'> {
    const { workflows, clock, random, log } = this.#options;
    const { signal } = this.#closing;
    for (let tries = 1; !signal.aborted; tries++) {
      try {
        return await workflows.signal(taskWorkflowId, taskRunId, name, payload);
      } catch (error) {
        log.warn({ to: taskWorkflowId, signal: name, tries, error: messageOf(error) }, 'signal.failed');
        await clock.sleep(backoffMs(tries, random, RETRY_BACKOFF), signal).catch(() => {});
      }
    }
    return 'closed';
  }
}
