/**
 * Starting, finding and stopping a local cluster, for the `feitian` command, the demo and tests. The cluster itself belongs to its launcher, a
 * process in the background; what is here only speaks with it, by the files and the socket in the cluster's directory.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { hasCode } from '../../services/base/errors.ts';
import { isSameProcess, type ProcessIdentity, sendSignal } from '../../services/base/process.ts';
import { ClusterError } from '../errors.ts';
import { lastLines } from '../setup/run-program.ts';
import { type ClusterInfo, readClusterInfo } from './cluster-file.ts';
import { askControl } from './control.ts';
import type { ClusterStatus, LauncherEvent, ProcessStatus, Step } from './events.ts';
import { clusterDirectory, layoutOf } from './layout.ts';
import { clearLeftovers } from './leftovers.ts';
import { acquireLock, lockHolder } from './lock.ts';
import { type ClusterOptions, shapeOf } from './options.ts';
import { removePlacedData } from './postgres-place.ts';
import { readRecord } from './record.ts';

export type { ClusterInfo } from './cluster-file.ts';
export type { ClusterStatus, ProcessStatus, Step } from './events.ts';

export interface StartOptions extends ClusterOptions {
  /** @default FEITIAN_DIR, or `.feitian` */
  dir?: string;
  /** Called as each step of the start is done. */
  onStep?: (step: Step) => void;
  /** Aborting it before the cluster is up stops everything again. */
  signal?: AbortSignal;
  /** What the launcher finds in its environment beyond ours; undefined takes a variable away. */
  env?: Record<string, string | undefined>;
}

export interface ClusterHandle {
  readonly dir: string;
  /** It was up already when we came. */
  readonly wasUp: boolean;
  /** cluster.json as it was when the cluster was found; only the pids in it change. */
  readonly info: ClusterInfo;
  /** cluster.json as it is now. */
  refresh(): Promise<ClusterInfo>;
  /** Errors of this and all below: NotRunning. */
  status(): Promise<ClusterStatus>;
  /** SIGKILL; it is restarted by itself. Resolves when it is dead. @param of its node or instance @returns the pid it had, unless it wasn't running. */
  kill(role: string, of?: string): Promise<{ pid?: number }>;
  /** Resolves when that process is ready with another pid than `pid`. */
  awaitRestart(role: string, of: string | undefined, pid: number): Promise<ProcessStatus>;
  /** SIGKILL to all processes of a node, its containers too; they stay down until it is released. */
  holdNode(id: string): Promise<void>;
  /** Resolves when they are ready again. */
  releaseNode(id: string): Promise<void>;
  /** One node more; resolves when its processes are ready. It is there again after `down` and `up`. Errors: BadConfig, StartFailed. */
  addNode(id: string, rack: string): Promise<void>;
  /** Stops a node's processes for good, whatever it holds. @default its directory stays */
  removeNode(id: string, options?: { deleteData?: boolean }): Promise<void>;
  /** Takes the cluster down and checks that nothing is left. Safe to call twice. */
  stop(): Promise<void>;
}

const ENTRY = fileURLToPath(new URL('../bin/feitian.mjs', import.meta.url));

/** Starts a cluster, or finds the one that is up in that directory. Errors: StartFailed (details: step, log, tail), BadConfig. */
export async function startCluster(options: StartOptions = {}): Promise<ClusterHandle> {
  const { dir: given, onStep, signal, env, ...rest } = options;
  const dir = clusterDirectory(given);
  const name = rest.name ?? (await knownName(dir));
  const shape = shapeOf(name === undefined ? rest : { ...rest, name });
  signal?.throwIfAborted();
  const launcher = await spawnLauncher(dir, JSON.stringify({ dir, shape }), env);
  const outcome = await firstOutcome(launcher, dir, onStep, signal);
  if (outcome === 'occupied') await askControl(layoutOf(dir).controlSocket, { method: 'awaitReady' });
  return handleOf(dir, await readClusterInfo(dir), outcome === 'occupied');
}

/** A directory keeps the name that its cluster began with: its keys are for that name. */
async function knownName(dir: string): Promise<string | undefined> {
  const { readTrustFile, keyDirectory } = await import('../../services/zhongkui/client.ts');
  try {
    return (await readTrustFile(keyDirectory(layoutOf(dir).keys).trustFile)).cluster;
  } catch (error) {
    if (hasCode(error, 'NoSuchKey')) return undefined;
    throw error;
  }
}

/** A cluster that is up. Errors: NotRunning. */
export async function attachCluster(given?: string): Promise<ClusterHandle> {
  const dir = clusterDirectory(given);
  return handleOf(dir, await readClusterInfo(dir), true);
}

function handleOf(dir: string, info: ClusterInfo, wasUp: boolean): ClusterHandle {
  const ask = (request: Parameters<typeof askControl>[1]) => askControl(layoutOf(dir).controlSocket, request);
  return {
    dir,
    wasUp,
    info,
    refresh: () => readClusterInfo(dir),
    status: async () => (await ask({ method: 'status' })) as ClusterStatus,
    kill: async (role, of) => (await ask({ method: 'kill', role, ...(of ? { of } : {}) })) as { pid?: number },
    awaitRestart: async (role, of, pid) => (await ask({ method: 'awaitRestart', role, ...(of ? { of } : {}), pid })) as ProcessStatus,
    holdNode: async (node) => void (await ask({ method: 'hold', node })),
    releaseNode: async (node) => void (await ask({ method: 'release', node })),
    addNode: async (id, rack) => void (await ask({ method: 'addNode', id, rack })),
    removeNode: async (id, { deleteData = false } = {}) => void (await ask({ method: 'removeNode', id, deleteData })),
    stop: async () => void (await stopCluster(dir)),
  };
}

async function spawnLauncher(dir: string, request: string, env: StartOptions['env']): Promise<ChildProcess> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const { logs, logOf } = layoutOf(dir);
  await mkdir(logs, { recursive: true, mode: 0o700 });
  const log = openSync(logOf('launcher'), 'a', 0o600);
  try {
    return spawn(process.execPath, [ENTRY, 'launch', request], {
      cwd: dir,
      detached: true,
      env: { ...process.env, NODE_OPTIONS: undefined, ...env },
      stdio: ['ignore', log, log, 'ipc'],
    });
  } finally {
    closeSync(log);
  }
}

/** Waits until the cluster is up, or can't be, or another launcher turns out to have it. The launcher is on its own from then on. */
async function firstOutcome(
  launcher: ChildProcess,
  dir: string,
  onStep: ((step: Step) => void) | undefined,
  signal: AbortSignal | undefined,
): Promise<'ready' | 'occupied'> {
  let failure: Extract<LauncherEvent, { kind: 'failed' }> | undefined;
  // It takes everything down when nobody is at this end of the channel any more.
  const giveUp = () => launcher.connected && launcher.disconnect();
  signal?.addEventListener('abort', giveUp);
  try {
    return await new Promise((resolve, reject) => {
      launcher.on('message', (event: LauncherEvent) => {
        if (event.kind === 'step') onStep?.(event);
        else if (event.kind === 'failed') failure = event;
        else resolve(event.kind);
      });
      launcher.once('error', reject);
      launcher.once('exit', async (code) => {
        if (signal?.aborted) return reject(signal.reason);
        reject(failure ? startFailed(failure) : await diedAtStart(dir, code));
      });
    });
  } finally {
    signal?.removeEventListener('abort', giveUp);
    // Neither the process nor the channel keeps us alive; the channel stays open as long as we are, which is what "attached" goes by.
    launcher.removeAllListeners('message');
    launcher.unref();
    launcher.channel?.unref();
  }
}

function startFailed({ step, reason, log, tail }: Extract<LauncherEvent, { kind: 'failed' }>): ClusterError {
  const where = log ? `\nthe end of ${log}:\n${(tail ?? '').replaceAll(/^/gm, '  ')}` : '';
  return new ClusterError('StartFailed', `step "${step}": ${reason}${where}`, { details: { step, reason, log, tail } });
}

async function diedAtStart(dir: string, code: number | null): Promise<ClusterError> {
  const log = layoutOf(dir).logOf('launcher');
  const tail = lastLines(await readFile(log, 'utf8').catch(() => ''), 8);
  return startFailed({ kind: 'failed', step: 'launcher', reason: `it ended (${code ?? 'killed'})`, log, tail });
}

/** More than the launcher ever takes: four tiers of ten seconds, and the checks. */
const STOP_MS_MAX = 60_000;

/**
 * Takes down what runs in `dir`: through its launcher, or without it when that is dead or does not answer. Then nothing is left of it.
 *
 * @returns whether there was anything. Errors: Leftovers.
 */
export async function stopCluster(given?: string): Promise<boolean> {
  const layout = layoutOf(clusterDirectory(given));
  const holder = await lockHolder(layout.lockFile);
  if (holder) await stopLauncher(layout.controlSocket, holder);

  const record = await readRecord(layout.recordFile);
  if (!record) return holder !== undefined;
  const lock = await acquireLock(layout.lockFile);
  if (!lock.acquired) throw new ClusterError('Leftovers', `another process (${lock.holder.pid}) is at work in ${layout.dir}`);
  await clearLeftovers(layout, record);
  for (const path of [layout.clusterFile, layout.recordFile, layout.controlSocket, layout.lockFile]) await rm(path, { force: true });
  return true;
}

async function stopLauncher(controlSocket: string, launcher: ProcessIdentity): Promise<void> {
  const untilMs = performance.now() + STOP_MS_MAX;
  const alive = () => isSameProcess(launcher.pid, launcher.startTime);
  const asked = askControl(controlSocket, { method: 'stop' }).catch((error) => {
    // It is gone already, or was not listening yet; the signal says the same.
    if (!hasCode(error, 'NotRunning')) throw error;
    sendSignal(launcher.pid, 'SIGTERM');
  });
  await Promise.race([asked, delay(STOP_MS_MAX, undefined, { ref: false })]);
  while (await alive()) {
    if (performance.now() > untilMs) sendSignal(launcher.pid, 'SIGKILL');
    await delay(10);
  }
}

/** Removes the directory of a cluster that is down, with Postgres's data where that lies elsewhere (see postgres-place.ts). */
export async function deleteClusterData(given?: string): Promise<void> {
  const { dir, lockFile } = layoutOf(clusterDirectory(given));
  if (await lockHolder(lockFile)) throw new ClusterError('Leftovers', `the cluster in ${dir} is up`);
  await removePlacedData(join(dir, 'postgres'));
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
}
