/**
 * The launcher: the background process behind `feitian up`. It brings a cluster up, keeps it up, answers on the control socket, and takes all
 * of it down again when it is asked to, when a signal tells it to, when the start fails, or when whoever it is bound to dies.
 *
 *     starting ──► ready ──► stopping ──► gone
 *         └───────────────────►┘            a step failed, or nobody waits for the start any more
 */
import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import type { Server } from 'node:net';
import { createLogger } from '../../services/base/log.ts';
import { ClusterError } from '../errors.ts';
import { stopPrograms } from '../setup/run-program.ts';
import type { ClusterInfo } from './cluster-file.ts';
import { type ControlRequest, serveControl } from './control.ts';
import type { ClusterStatus, LauncherEvent } from './events.ts';
import { Identities } from './identities.ts';
import { type Layout, layoutOf } from './layout.ts';
import { clearLeftovers, GRACE_MS, killContainers, LAUNCH_ID_VARIABLE, verifyNothingLeft } from './leftovers.ts';
import { acquireLock } from './lock.ts';
import { NodeChanges } from './node-changes.ts';
import { readNodes } from './nodes-file.ts';
import type { ClusterShape } from './options.ts';
import { writePrivateFile } from './private-file.ts';
import { type LauncherRecord, readRecord, writeRecord } from './record.ts';
import { describeFailure, type StartedCluster, startEverything } from './start.ts';
import { Supervisor, statusOf } from './supervisor.ts';
import { certifyMachine, settleTls } from './tls.ts';

/** How often tokens are looked at. */
const RENEW_MS = 3_600_000;
/** And the certificate, which lives for a day: a machine that slept for longer is not to wait long for the next one. */
const CERTIFICATE_LOOK_MS = 60_000;

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
  return await new Launcher(layout, shape).run();
}

/** The starter may be gone; then nobody wants to know. */
function tellStarter(event: LauncherEvent): void {
  if (process.connected) process.send?.(event, () => {});
}

class Launcher {
  readonly #layout: Layout;
  #shape: ClusterShape;
  readonly #log = createLogger({ role: 'launcher' });
  readonly #launchId = randomUUID();
  readonly #ports = new Set<number>();
  readonly #supervisor: Supervisor;
  #state: ClusterStatus['state'] = 'starting';
  #cluster: StartedCluster | undefined;
  #nodes: NodeChanges | undefined;
  readonly #ready = deferred();
  readonly #stopping = new AbortController();
  readonly #stopped = deferred();

  constructor(layout: Layout, shape: ClusterShape) {
    this.#layout = layout;
    this.#shape = shape;
    process.env[LAUNCH_ID_VARIABLE] = this.#launchId;
    this.#supervisor = new Supervisor(this.#log, () => this.#writeDown());
  }

  async run(): Promise<number> {
    this.#stopOnSignals();
    const control = await serveControl(this.#layout.controlSocket, (request, signal) => this.#handle(request, signal));
    let exitCode = 0;
    try {
      await this.#start();
      await new Promise<void>((resolve) => this.#stopping.signal.addEventListener('abort', () => resolve()));
    } catch (error) {
      if (!this.#stopping.signal.aborted) {
        exitCode = 1;
        const failure = await describeFailure(error);
        this.#log.error({ ...failure, error }, 'cluster.start_failed');
        tellStarter({ kind: 'failed', ...failure });
        this.#stop('its start failed');
      }
    }
    return (await this.#takeDown(control)) ? exitCode : 1;
  }

  #stopOnSignals(): void {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => this.#stop(`it got ${signal}`));
    const onOrphaned = () => {
      if (this.#shape.attached || this.#state === 'starting') this.#stop('the process that started it is gone');
    };
    process.once('disconnect', onOrphaned);
    if (process.connected === false) onOrphaned();
  }

  async #start(): Promise<void> {
    const layout = this.#layout;
    const old = await readRecord(layout.recordFile);
    if (old) await this.#step('leftovers cleared', () => clearLeftovers(layout, old));
    const nodes = await readNodes(layout.nodesFile);
    if (nodes) this.#shape = { ...this.#shape, nodes };
    this.#shape = { ...this.#shape, tls: settleTls(layout, this.#shape.tls) };
    const identities = await Identities.open(layout.keys, this.#shape.name);
    this.#keepRenewing('cluster.tokens_not_renewed', RENEW_MS, () => identities.renew());
    if (this.#shape.tls) {
      const certify = (): Promise<void> => certifyMachine(layout, this.#shape.name);
      await this.#step('certificate', certify, () => layout.machine.certificateFile);
      this.#keepRenewing('cluster.certificate_not_renewed', CERTIFICATE_LOOK_MS, certify);
    }
    const cluster = await startEverything({
      layout,
      identities,
      ...(this.#shape.tls ? { tls: layout.machine } : {}),
      shape: this.#shape,
      launchId: this.#launchId,
      ports: this.#ports,
      step: (name, work, detail) => this.#step(name, work, detail),
      note: (step, detail) => {
        this.#log.info({ step, detail }, 'cluster.left_out');
        tellStarter({ kind: 'step', step, ms: 0, detail, leftOut: true });
      },
      start: async (spec) => {
        this.#stopping.signal.throwIfAborted();
        await this.#supervisor.start(spec);
      },
    });
    this.#stopping.signal.throwIfAborted();
    this.#cluster = cluster;
    this.#nodes = new NodeChanges({
      layout,
      cluster,
      supervisor: this.#supervisor,
      ports: this.#ports,
      stopping: this.#stopping.signal,
      onChange: () => this.#writeDown(),
      log: this.#log,
    });
    this.#state = 'ready';
    this.#writeDown();
    this.#log.info({}, 'cluster.ready');
    tellStarter({ kind: 'ready' });
    this.#ready.resolve();
  }

  /** Tokens last a month, a certificate a day; who runs for longer finds new ones in its files. */
  #keepRenewing(event: string, everyMs: number, work: () => Promise<void>): void {
    const renew = (): void => void work().catch((error) => this.#log.error({ error }, event));
    const timer = setInterval(renew, everyMs).unref();
    this.#stopping.signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  }

  /** Reports what took how long; an error keeps the name of the step that it came from. */
  async #step<T>(step: string, work: () => Promise<T>, detail?: (result: T) => string | undefined): Promise<T> {
    this.#stopping.signal.throwIfAborted();
    const startedMs = performance.now();
    try {
      const result = await work();
      const ms = Math.round(performance.now() - startedMs);
      const told = detail?.(result);
      this.#log.info({ step, ms, detail: told }, 'cluster.step');
      tellStarter({ kind: 'step', step, ms, ...(told ? { detail: told } : {}) });
      return result;
    } catch (error) {
      const { details = {}, reason = String(error) } = error instanceof ClusterError ? error : { reason: (error as Error).message };
      throw new ClusterError('StartFailed', reason, { cause: error, details: { step, ...details } });
    }
  }

  #stop(reason: string): void {
    if (this.#stopping.signal.aborted) return;
    this.#log.info({ reason }, 'cluster.stopping');
    this.#state = 'stopping';
    this.#stopping.abort(new ClusterError('NotRunning', `the cluster is going down: ${reason}`));
    this.#ready.reject(this.#stopping.signal.reason);
  }

  /** @returns whether nothing was left. */
  async #takeDown(control: Server): Promise<boolean> {
    const layout = this.#layout;
    let clean = true;
    try {
      await rm(layout.clusterFile, { force: true });
      stopPrograms();
      await this.#supervisor.stopAll(GRACE_MS);
      await killContainers(layout);
      await verifyNothingLeft(layout, this.#record());
      await rm(layout.recordFile, { force: true });
      this.#stopped.resolve();
    } catch (error) {
      clean = false;
      this.#log.error({ error }, 'cluster.leftovers');
      this.#stopped.reject(error);
    }
    // Those who wait for the end get their answer before the socket closes.
    await new Promise<void>((resolve) => control.close(() => resolve()));
    await rm(layout.lockFile, { force: true });
    this.#log.info({ clean }, 'cluster.stopped');
    return clean;
  }

  /** A full disk is no reason to stop supervising; the next change is written down again. */
  #writeDown(): void {
    try {
      writeRecord(this.#layout.recordFile, this.#record());
      if (this.#state !== 'ready' || !this.#cluster) return;
      const info: ClusterInfo = { ...this.#cluster.info, processes: this.#supervisor.running() };
      writePrivateFile(this.#layout.clusterFile, `${JSON.stringify(info, undefined, 2)}\n`);
    } catch (error) {
      this.#log.error({ error }, 'cluster.not_written_down');
    }
  }

  #record(): LauncherRecord {
    return { launchId: this.#launchId, ports: [...this.#ports], processes: this.#supervisor.started() };
  }

  async #handle(request: ControlRequest, signal: AbortSignal): Promise<unknown> {
    const supervisor = this.#supervisor;
    switch (request.method) {
      case 'status': {
        const status: ClusterStatus = { state: this.#state, launcherPid: process.pid, processes: supervisor.statuses() };
        return status;
      }
      case 'awaitReady':
        return await this.#ready.promise;
      case 'kill':
        return { pid: await supervisor.find(request.role, request.of).kill() };
      case 'awaitRestart': {
        const found = supervisor.find(request.role, request.of);
        const ends = AbortSignal.any([signal, this.#stopping.signal]);
        await found.until(() => found.state === 'ready' && found.run?.pid !== request.pid, ends);
        return statusOf(found);
      }
      case 'hold':
        await this.#ready.promise;
        await Promise.all([...supervisor.ofNode(request.node).map((held) => held.hold()), killContainers(this.#layout, request.node)]);
        // Once more: Tubo may have been starting one when it was killed.
        return await killContainers(this.#layout, request.node);
      case 'release':
        await Promise.all(supervisor.ofNode(request.node).map((held) => held.release()));
        return;
      case 'addNode':
        await this.#ready.promise;
        return await this.#nodes!.add(request.id, request.rack);
      case 'removeNode':
        await this.#ready.promise;
        return await this.#nodes!.remove(request.id, request.deleteData);
      case 'stop':
        this.#stop('it was asked to');
        return await this.#stopped.promise;
    }
  }
}

interface Deferred {
  promise: Promise<void>;
  resolve(): void;
  reject(error: unknown): void;
}

function deferred(): Deferred {
  const settle = {} as Pick<Deferred, 'resolve' | 'reject'>;
  const promise = new Promise<void>((resolve, reject) => Object.assign(settle, { resolve, reject }));
  promise.catch(() => {}); // whoever waits hears of it
  return { promise, ...settle };
}
