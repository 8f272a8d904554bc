import type { Logger } from '../../services/base/log.ts';
import { ClusterError } from '../errors.ts';
import type { ClusterInfo } from './cluster-file.ts';
import type { ProcessStatus } from './events.ts';
import { type ProcessSpec, processName } from './process-run.ts';
import type { LauncherRecord } from './record.ts';
import { SupervisedProcess } from './supervised-process.ts';

/** All supervised processes of one cluster: started one by one, found by role and node, stopped in tiers. */
export class Supervisor {
  readonly #processes: SupervisedProcess[] = [];
  readonly #log: Logger;
  readonly #onChange: () => void;

  constructor(log: Logger, onChange: () => void) {
    this.#log = log;
    this.#onChange = onChange;
  }

  /** Starts a process, waits until it is ready, and supervises it from now on. Errors: StartFailed. */
  async start(spec: ProcessSpec): Promise<SupervisedProcess> {
    const supervised = new SupervisedProcess(spec, this.#log, this.#onChange);
    this.#processes.push(supervised);
    try {
      await supervised.start();
    } catch (error) {
      throw new ClusterError('StartFailed', `${supervised.name} ${(error as Error).message}`, { cause: error, details: { log: spec.log } });
    }
    return supervised;
  }

  stopAll(graceMs: number): Promise<void> {
    return stopInTiers(this.#processes, graceMs);
  }

  /** Stops all processes of a node and forgets them; also when there are none. */
  async removeNode(node: string, graceMs: number): Promise<void> {
    const ofNode = this.#processes.filter(({ spec }) => spec.node === node);
    await stopInTiers(ofNode, graceMs);
    for (const supervised of ofNode) this.#processes.splice(this.#processes.indexOf(supervised), 1);
    this.#onChange();
  }

  /** Errors: UnknownProcess. */
  find(role: string, of?: string): SupervisedProcess {
    const name = processName(role, of);
    const found = this.#processes.find((supervised) => supervised.name === name);
    if (found) return found;
    const names = this.#processes.map((supervised) => supervised.name.replace('/', ' ')).join(', ');
    throw new ClusterError('UnknownProcess', `this cluster has no process "${name.replace('/', ' ')}", but ${names}`);
  }

  /** Errors: UnknownNode. */
  ofNode(node: string): SupervisedProcess[] {
    const found = this.#processes.filter(({ spec }) => spec.node === node);
    if (found.length > 0) return found;
    const nodes = new Set(this.#processes.map(({ spec }) => spec.node).filter(Boolean));
    throw new ClusterError('UnknownNode', `this cluster has no node "${node}", but ${[...nodes].join(', ')}`);
  }

  /** For cluster.json: all but those of a node that is held. One that is being restarted keeps its last pid until it has a new one. */
  running(): ClusterInfo['processes'] {
    const up = this.#processes.filter(({ run, state }) => run && state !== 'held');
    return up.map(({ spec: { role, node, instance, log }, run }) => ({
      role,
      ...(node ? { node } : {}),
      ...(instance ? { instance } : {}),
      pid: run!.pid,
      log,
    }));
  }

  /** For the launcher's record: all that were ever started, with what tells them apart for sure. */
  started(): LauncherRecord['processes'] {
    const begun = this.#processes.filter(({ run }) => run && run.pid > 0);
    return begun.map(({ name, run, spec: { stopSignal, stopTier } }) => {
      const { pid, startTime } = run!;
      return { name, pid, startTime, stopSignal, stopTier };
    });
  }

  statuses(): ProcessStatus[] {
    return this.#processes.map(statusOf);
  }
}

/** Those who use others go before those who are used. */
async function stopInTiers(processes: readonly SupervisedProcess[], graceMs: number): Promise<void> {
  const tiers = [...new Set(processes.map(({ spec }) => spec.stopTier))].sort((a, b) => a - b);
  for (const tier of tiers) {
    const ofTier = processes.filter(({ spec }) => spec.stopTier === tier);
    await Promise.all(ofTier.map((supervised) => supervised.stop(graceMs)));
  }
}

export function statusOf({
  spec: { role, node, instance, log },
  state,
  run,
  restarts,
  address,
  readyAtMs,
}: SupervisedProcess): ProcessStatus {
  return {
    role,
    ...(node ? { node } : {}),
    ...(instance ? { instance } : {}),
    ...(run && run.pid > 0 && (state === 'starting' || state === 'ready') ? { pid: run.pid } : {}),
    state,
    ...(readyAtMs === undefined ? {} : { uptimeMs: Math.round(performance.now() - readyAtMs) }),
    restarts,
    ...(address === undefined ? {} : { address }),
    log,
  };
}
