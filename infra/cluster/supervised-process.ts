/**
 * One process of the cluster, kept alive.
 *
 *     waiting ──► starting ──► ready ──► backing-off ──► starting …     it died, and is started again
 *                    any of them ──► held ──► starting                  its machine is "lost", until it is released
 *                    any of them ──► stopped                            the end
 *
 * The first start is the caller's business: it fails when the process ends before it is ready. From then on whatever happens to it is mended here.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../services/base/log.ts';
import { killProcessGroup } from '../../services/base/process.ts';
import { systemRandom } from '../../services/base/random.ts';
import { type ProcessRun, type ProcessSpec, processName, startRun } from './process-run.ts';
import { afterDeath } from './restart-policy.ts';

export type ProcessState = 'waiting' | 'starting' | 'ready' | 'backing-off' | 'held' | 'stopped';

export class SupervisedProcess {
  readonly spec: ProcessSpec;
  readonly name: string;
  state: ProcessState = 'waiting';
  /** Its present life, or its last. */
  run: ProcessRun | undefined;
  address: string | undefined;
  restarts = 0;
  /** On the monotonic clock; set while it is ready. */
  readyAtMs: number | undefined;

  readonly #log: Logger;
  readonly #onChange: () => void;
  readonly #waiters = new Set<() => void>();
  #wanted: 'up' | 'held' | 'down' = 'up';
  #pause = new AbortController();
  #supervision: Promise<void> | undefined;

  constructor(spec: ProcessSpec, log: Logger, onChange: () => void) {
    this.spec = spec;
    this.name = processName(spec.role, spec.node ?? spec.instance);
    this.#log = log.child({ process: this.name });
    this.#onChange = onChange;
  }

  /** Starts it for the first time and waits until it is ready. Rejects when it is not to be. */
  async start(): Promise<void> {
    const begun = this.#begin();
    this.#supervision = begun.then((run) => this.#supervise(run));
    await this.#awaitReady(await begun);
  }

  /** As a crash would: only the process itself, and it is started again. Resolves with its pid when it is dead. */
  async kill(): Promise<number | undefined> {
    const run = this.run;
    if (!run || (this.state !== 'ready' && this.state !== 'starting')) return undefined;
    run.signal('SIGKILL');
    await run.ended;
    return run.pid;
  }

  /** As the loss of its machine would: all of it at once, and it stays away. */
  async hold(): Promise<void> {
    if (!this.#wants('up')) return;
    this.#want('held');
    if (this.run) await killProcessGroup(this.run.pid, this.run.startTime);
    await this.until(() => this.state === 'held' || this.state === 'stopped');
  }

  async release(): Promise<void> {
    if (!this.#wants('held')) return;
    this.#want('up');
    await this.until(() => this.state === 'ready' || this.state === 'stopped');
  }

  async stop(graceMs: number): Promise<void> {
    this.#want('down');
    const run = this.run;
    if (run?.pid) {
      run.signal(this.spec.stopSignal);
      const timely = await Promise.race([run.ended.then(() => true), delay(graceMs, false, { ref: false })]);
      if (!timely) {
        this.#log.warn({ graceMs }, 'process.killed_after_grace');
        await killProcessGroup(run.pid, run.startTime);
      }
      await run.ended;
    }
    await this.#supervision;
    this.#become('stopped');
  }

  /** Resolves when `condition` holds, which is looked at after each change of this process. */
  until(condition: () => boolean, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (end: () => void) => {
        this.#waiters.delete(look);
        signal?.removeEventListener('abort', stop);
        end();
      };
      const look = () => condition() && finish(resolve);
      const stop = () => finish(() => reject(signal!.reason));
      this.#waiters.add(look);
      signal?.addEventListener('abort', stop);
      if (signal?.aborted) stop();
      else look();
    });
  }

  async #supervise(run: ProcessRun): Promise<void> {
    let failures = 0;
    for (;;) {
      const how = await run.ended;
      if (this.#wants('down')) return;
      const upMs = this.readyAtMs === undefined ? 0 : performance.now() - this.readyAtMs;
      this.readyAtMs = undefined;
      this.#log.warn({ pid: run.pid, how, upMs }, 'process.ended');

      if (this.#wants('up')) {
        const next = afterDeath(failures, upMs, systemRandom);
        failures = next.failures;
        this.#become('backing-off');
        await delay(next.delayMs, undefined, { signal: this.#pause.signal }).catch(() => {});
      }
      while (this.#wants('held')) {
        this.#become('held');
        await untilAborted(this.#pause.signal);
      }
      if (this.#wants('down')) return;
      this.restarts++;
      run = await this.#begin();
      const begun = run;
      this.#awaitReady(begun).catch((error) => {
        this.#log.warn({ pid: begun.pid, reason: (error as Error).message }, 'process.not_ready');
        begun.signal('SIGKILL'); // alive but not ready in time: another start may go better
      });
    }
  }

  async #begin(): Promise<ProcessRun> {
    this.run = await startRun(this.spec);
    this.address = undefined;
    this.#log.info({ pid: this.run.pid, restarts: this.restarts }, 'process.started');
    this.#become('starting');
    // Somebody may have stopped or held it while it was being started.
    if (!this.#wants('up')) this.run.signal('SIGKILL');
    return this.run;
  }

  async #awaitReady(run: ProcessRun): Promise<void> {
    const { address } = await run.ready;
    if (this.run !== run || !this.#wants('up')) return;
    this.address = address;
    this.readyAtMs = performance.now();
    this.#log.info({ pid: run.pid, address }, 'process.ready');
    this.#become('ready');
  }

  /** A call, as what is wanted may change at every `await`. */
  #wants(what: 'up' | 'held' | 'down'): boolean {
    return this.#wanted === what;
  }

  #want(wanted: 'up' | 'held' | 'down'): void {
    if (this.#wants('down')) return;
    this.#wanted = wanted;
    this.#pause.abort();
    this.#pause = new AbortController();
  }

  #become(state: ProcessState): void {
    this.state = state;
    this.#onChange();
    for (const look of [...this.#waiters]) look();
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
