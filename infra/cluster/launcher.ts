/**
 * The launcher: the background process behind `feitian up`. It brings a cluster up, keeps it up, answers on the control socket, and takes all
 * of it down again when it is asked to, when it is told to by a signal, when the start fails, or when whoever it is bound to dies.
 *
 *     starting ──► ready ──► stopping ──► gone
 *         └───────────────────►┘            a step failed, or nobody waits for the start any more
 */
import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import type { Server } from 'node:net';
import { createLogger, type Logger } from '../../services/base/log.ts';
import { ClusterError } from '../errors.ts';
import { ensureAdminKey } from './admin-key.ts';
import type { ClusterInfo } from './cluster-file.ts';
import { type ControlRequest, serveControl } from './control.ts';
import type { ClusterStatus, LauncherEvent, ProcessStatus } from './events.ts';
import { type Layout, layoutOf } from './layout.ts';
import { clearLeftovers, GRACE_MS, killContainers, verifyNothingLeft } from './leftovers.ts';
import { acquireLock } from './lock.ts';
import type { ClusterShape } from './options.ts';
import { writePrivateFile } from './private-file.ts';
import { type ProcessSpec, processName } from './process-run.ts';
import { type LauncherRecord, readRecord, writeRecord } from './record.ts';
import { failureOf, type Starter, startEverything } from './start.ts';
import { SupervisedProcess } from './supervised-process.ts';

export interface LaunchRequest {
  dir: string;
  shape: ClusterShape;
}

/** Runs until the cluster is down again. @returns the exit code. */
export async function runLauncher({ dir, shape }: LaunchRequest): Promise<number> {
  const layout = layoutOf(dir);
  for (const path of [layout.logs, layout.keys]) await mkdir(path, { recursive: true, mode: 0o700 });
  const lock = await acquireLock(layout.lockFile);
  if (!lock.acquired) {
    tellStarter({ kind: 'occupied' });
    return 0;
  }
  const launcher = new Launcher(layout, shape);
  launcher.stopOnSignals();
  return await launcher.run();
}

/** The starter may be gone; then nobody wants to know. */
function tellStarter(event: LauncherEvent): void {
  if (process.connected) process.send?.(event, () => {});
}

class Launcher implements Starter {
  readonly layout: Layout;
  readonly shape: ClusterShape;
  readonly log: Logger = createLogger({ role: 'launcher' });
  readonly launchId = randomUUID();
  readonly ports = new Set<number>();
  readonly #processes: SupervisedProcess[] = [];
  readonly #stopping = new AbortController();
  readonly #stopped = new Promise<void>((resolve, reject) => {
    this.#settleStopped = { resolve, reject };
  });
  #settleStopped: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  #state: ClusterStatus['state'] = 'starting';
  #info: Omit<ClusterInfo, 'processes'> | undefined;
  #onReady: (() => void)[] = [];

  constructor(layout: Layout, shape: ClusterShape) {
    this.layout = layout;
    this.shape = shape;
    this.#stopped.catch(() => {});
  }

  get stopSignal(): AbortSignal {
    return this.#stopping.signal;
  }

  stopOnSignals(): void {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => this.#stop(`it got ${signal}`));
    const orphaned = () => {
      if (this.shape.attached || this.#state === 'starting') this.#stop('the process that started it is gone');
    };
    process.once('disconnect', orphaned);
    if (process.connected === false) orphaned();
  }

  async run(): Promise<number> {
    let exitCode = 0;
    const control = await serveControl(this.layout.controlSocket, (request, signal) => this.#handle(request, signal));
    try {
      const old = await readRecord(this.layout.recordFile);
      if (old) await this.step('leftovers of the last start cleared', () => clearLeftovers(this.layout, old));
      await ensureAdminKey(this.layout.adminKey);
      this.#info = await startEverything(this);
      this.stopSignal.throwIfAborted();
      this.#becomeReady();
      await new Promise<void>((resolve) => this.stopSignal.addEventListener('abort', () => resolve()));
    } catch (error) {
      if (!this.stopSignal.aborted) {
        exitCode = 1;
        const failure = await failureOf(error);
        this.log.error(failure, 'cluster.start_failed');
        tellStarter({ kind: 'failed', ...failure });
      }
    }
    return (await this.#takeDown(control)) ? exitCode : 1;
  }

  /** Reports what took how long; an error keeps the name of the step that it came from. */
  async step<T>(step: string, work: () => Promise<T>, detail?: (result: T) => string | undefined): Promise<T> {
    this.stopSignal.throwIfAborted();
    const startedMs = performance.now();
    try {
      const result = await work();
      const ms = Math.round(performance.now() - startedMs);
      const told = detail?.(result);
      this.log.info({ step, ms, detail: told }, 'cluster.step');
      tellStarter({ kind: 'step', step, ms, ...(told ? { detail: told } : {}) });
      return result;
    } catch (error) {
      const details = error instanceof ClusterError ? error.details : {};
      throw new ClusterError('StartFailed', (error as Error).message, { cause: error, details: { step, ...details } });
    }
  }

  /** Starts a process and supervises it from now on. */
  async start(spec: ProcessSpec): Promise<SupervisedProcess> {
    this.stopSignal.throwIfAborted();
    const supervised = new SupervisedProcess(spec, this.log, () => this.#writeDown());
    this.#processes.push(supervised);
    try {
      await supervised.start();
    } catch (error) {
      throw new ClusterError('StartFailed', `${supervised.name} ${(error as Error).message}`, { cause: error, details: { log: spec.log } });
    }
    return supervised;
  }

  #becomeReady(): void {
    this.#state = 'ready';
    this.#writeDown();
    this.log.info({}, 'cluster.ready');
    tellStarter({ kind: 'ready' });
    for (const listener of this.#onReady) listener();
    if (!this.shape.attached && process.connected) process.disconnect();
  }

  #stop(reason: string): void {
    if (this.stopSignal.aborted) return;
    this.log.info({ reason }, 'cluster.stopping');
    this.#stopping.abort(new ClusterError('NotRunning', `the cluster is going down: ${reason}`));
  }

  /** @returns whether nothing was left. */
  async #takeDown(control: Server): Promise<boolean> {
    this.#state = 'stopping';
    this.#stopping.abort(new ClusterError('NotRunning', 'the cluster is going down: its start failed'));
    let clean = true;
    try {
      await rm(this.layout.clusterFile, { force: true });
      const tiers = [...new Set(this.#processes.map(({ spec }) => spec.stopTier))].sort((a, b) => a - b);
      for (const tier of tiers) {
        await Promise.all(this.#processes.filter(({ spec }) => spec.stopTier === tier).map((supervised) => supervised.stop(GRACE_MS)));
      }
      await killContainers(this.layout);
      await verifyNothingLeft(this.layout, this.#record());
      await rm(this.layout.recordFile, { force: true });
      this.#settleStopped?.resolve();
    } catch (error) {
      clean = false;
      this.log.error({ error }, 'cluster.leftovers');
      this.#settleStopped?.reject(error);
    }
    await new Promise<void>((resolve) => control.close(() => resolve()));
    await rm(this.layout.lockFile, { force: true });
    this.log.info({ clean }, 'cluster.stopped');
    return clean;
  }

  #writeDown(): void {
    writeRecord(this.layout.recordFile, this.#record());
    if (this.#state !== 'ready' || !this.#info) return;
    const up = this.#processes.filter(({ run, state }) => run && state !== 'held');
    const processes = up.map(({ spec: { role, node, log }, run }) => ({ role, ...(node ? { node } : {}), pid: run!.pid, log }));
    const { prometheus, grafana, admin, ...first } = this.#info;
    const info: ClusterInfo = { ...first, processes, ...(prometheus ? { prometheus } : {}), ...(grafana ? { grafana } : {}), admin };
    writePrivateFile(this.layout.clusterFile, `${JSON.stringify(info, undefined, 2)}\n`);
  }

  #record(): LauncherRecord {
    const begun = this.#processes.filter(({ run }) => run && run.pid > 0);
    return {
      launchId: this.launchId,
      ports: [...this.ports],
      processes: begun.map(({ name, run, spec: { stopSignal, stopTier } }) => ({ name, pid: run!.pid, startTime: run!.startTime, stopSignal, stopTier })),
    };
  }

  async #handle(request: ControlRequest, signal: AbortSignal): Promise<unknown> {
    switch (request.method) {
      case 'status':
        return this.#status();
      case 'awaitReady':
        return await this.#awaitReady(signal);
      case 'kill':
        return { pid: await this.#find(request.role, request.node).kill() };
      case 'awaitRestart': {
        const found = this.#find(request.role, request.node);
        await found.until(() => found.state === 'ready' && found.run?.pid !== request.pid, AbortSignal.any([signal, this.stopSignal]));
        return this.#statusOf(found);
      }
      case 'hold':
        await Promise.all([...this.#ofNode(request.node).map((held) => held.hold()), killContainers(this.layout, request.node)]);
        // Once more: Tubo may have been starting one when it was killed.
        return await killContainers(this.layout, request.node);
      case 'release':
        await Promise.all(this.#ofNode(request.node).map((held) => held.release()));
        return;
      case 'stop':
        this.#stop('it was asked to');
        return await this.#stopped;
    }
  }

  #awaitReady(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#state === 'ready') return resolve();
      this.#onReady.push(resolve);
      for (const ending of [signal, this.stopSignal]) {
        if (ending.aborted) reject(ending.reason);
        ending.addEventListener('abort', () => reject(ending.reason));
      }
    });
  }

  #find(role: string, node?: string): SupervisedProcess {
    const name = processName(role, node);
    const found = this.#processes.find((supervised) => supervised.name === name);
    if (found) return found;
    const names = this.#processes.map((supervised) => supervised.name.replace('/', ' ')).join(', ');
    throw new ClusterError('UnknownProcess', `this cluster has no process "${name.replace('/', ' ')}", but ${names}`);
  }

  #ofNode(node: string): SupervisedProcess[] {
    if (this.#state !== 'ready') throw new ClusterError('NotRunning', `the cluster is ${this.#state}`);
    const found = this.#processes.filter(({ spec }) => spec.node === node);
    if (found.length > 0) return found;
    throw new ClusterError('UnknownNode', `this cluster has no node "${node}", but ${this.shape.nodes.map(({ id }) => id).join(', ')}`);
  }

  #status(): ClusterStatus {
    return { state: this.#state, launcherPid: process.pid, processes: this.#processes.map((supervised) => this.#statusOf(supervised)) };
  }

  #statusOf({ spec: { role, node, log }, state, run, restarts, address, readyAtMs }: SupervisedProcess): ProcessStatus {
    return {
      role,
      ...(node ? { node } : {}),
      ...(run && run.pid > 0 && (state === 'starting' || state === 'ready') ? { pid: run.pid } : {}),
      state,
      ...(readyAtMs === undefined ? {} : { uptimeMs: Math.round(performance.now() - readyAtMs) }),
      restarts,
      ...(address === undefined ? {} : { address }),
      log,
    };
  }
}
