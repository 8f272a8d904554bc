/**
 * One application on this node. What it is meant to run is written down first and made true afterwards, by the one function `#converge`; an order only waits
 * for that. So it does not matter at which moment the agent dies or an order is given up: the node goes on to what was last written down.
 */
import { rm } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from '../../base/log.ts';
import { killProcessGroup } from '../../base/process.ts';
import type { PanguClient } from '../../pangu/contract.ts';
import { type DayuControl, DayuError, type Deployment, type Instance } from '../contract.ts';
import { storageFailure } from '../storage-failure.ts';
import type { Changes } from './changes.ts';
import type { RoleInstance } from './instance.ts';
import { findLife, type Life } from './life.ts';
import { boundLog, LOG_BYTES_MAX } from './log-file.ts';
import { Orders } from './orders.ts';
import type { Places } from './places.ts';
import { ensureRelease, keepReleases } from './releases.ts';
import { type ApplicationState, type InstanceRecord, StateFile } from './state-file.ts';

export interface ApplicationOptions {
  application: string;
  node: string;
  places: Places;
  pangu: PanguClient;
  /** Instances as this agent makes them; `record` writes down what must be known of one. */
  createInstance(
    role: string,
    deployment: Deployment,
    record: (record: InstanceRecord | undefined) => Promise<void>,
    adopted?: { life: Life; record: InstanceRecord },
  ): RoleInstance;
  /** Told of every change of an instance. */
  changes: Changes;
  /** Aborts when the node is being stopped. */
  hurry: AbortSignal;
  log: Logger;
}

/** Instances that the agent brought up again at its own start are waited for so long before they are judged. */
const BROUGHT_BACK_MS = 30_000;

export class Application {
  readonly places: Places;
  readonly #options: ApplicationOptions;
  readonly #file: StateFile;
  readonly #orders: Orders;
  readonly #instances = new Map<string, RoleInstance>();
  #state: ApplicationState = { instances: {} };
  #converging: Promise<void> = Promise.resolve();
  readonly #stopping = new AbortController();

  constructor(options: ApplicationOptions) {
    this.#options = options;
    this.places = options.places;
    this.#file = new StateFile(options.places.stateFile);
    this.#orders = new Orders(options.application);
  }

  /** Adopts what an earlier agent left running, and goes on from there. */
  async resume(state: ApplicationState): Promise<void> {
    this.#state = state;
    const { log, places } = this.#options;
    for (const [role, record] of Object.entries(state.instances)) {
      const life = await findLife(record, places.pidFile(role));
      log.info(
        { role, pid: life?.pid ?? record.pid, version: record.deployment.release.version },
        life ? 'instance.adopted' : 'instance.gone',
      );
      if (life) this.#instances.set(role, this.#create(role, record.deployment, { life, record }));
      else await this.#forget(role, record);
    }
    this.#converge({ mend: false }).catch((error) => log.error({ error }, 'application.not_converged'));
  }

  list(): Instance[] {
    return [...this.#instances.values()].map((instance) => instance.toInstance());
  }

  async deploy(
    deployment: Deployment,
    { signal, heartbeat, healthyWithinMs }: DayuControl & { healthyWithinMs: number },
  ): Promise<Instance[]> {
    const { application, version } = deployment.release;
    return this.#orders.run(AbortSignal.any([signal, this.#stopping.signal]), async (given) => {
      heartbeat(`fetching ${application} ${version}`);
      await ensureRelease(this.#options.pangu, this.places, deployment.release, given);
      const { desired, previous } = this.#state;
      if (!isDeepStrictEqual(desired, deployment)) {
        const left = desired && desired.release.digest !== deployment.release.digest ? desired.release.digest : previous;
        await this.#want({ desired: deployment, previous: left });
      }
      heartbeat(`putting ${application} ${version} in place`);
      await orAborted(this.#converge({ mend: true }), given);
      heartbeat(`waiting until ${application} ${version} is healthy`);
      await this.#untilServing(healthyWithinMs, given);
      await keepReleases(this.places, [deployment.release.digest, ...(this.#state.previous ? [this.#state.previous] : [])]);
      return this.list();
    });
  }

  async remove({ signal, heartbeat }: DayuControl): Promise<void> {
    return this.#orders.run(AbortSignal.any([signal, this.#stopping.signal]), async (given) => {
      heartbeat(`stopping ${this.#options.application}`);
      if (this.#state.desired) await this.#want({ desired: undefined, previous: undefined });
      await orAborted(this.#converge({ mend: false }), given);
      // Logs stay, for whoever asks why.
      const { releases, run, temporary } = this.places;
      for (const path of [releases, run, temporary]) await rm(path, { recursive: true, force: true });
    });
  }

  async observe({ signal: given, heartbeat, ms }: DayuControl & { ms: number }): Promise<Instance[]> {
    const { changes, application, node } = this.#options;
    const signal = AbortSignal.any([given, this.#stopping.signal]);
    heartbeat(`watching ${application}`);
    await this.#converging;
    const all = (): RoleInstance[] => [...this.#instances.values()];
    const returning = ({ state, ends }: RoleInstance): boolean => state === 'starting' && ends === 0;
    // What the agent brings up again after its own restart is given the time to come.
    await changes.until(() => (all().some(returning) ? undefined : true), { signal, withinMs: BROUGHT_BACK_MS });
    if (all().length === 0) throw new DayuError('Unhealthy', `nothing of ${application} runs on ${node}`);
    const ill = await changes.until(() => all().find(({ state }) => state !== 'healthy'), { signal, withinMs: ms });
    if (ill) throw await ill.failure('Unhealthy');
    return this.list();
  }

  /** Stops the instances and remembers that they are wanted. */
  async stop(): Promise<void> {
    const reason = new Error(`the agent of ${this.#options.node} is stopping`);
    this.#stopping.abort(reason);
    await this.#orders.abort(reason);
    await this.#converging;
    await Promise.all([...this.#instances.values()].map((instance) => instance.stop(this.#options.hurry)));
  }

  async boundLogs(): Promise<void> {
    for (const { role } of this.#instances.values()) await boundLog(this.places.log(role), LOG_BYTES_MAX);
  }

  /** Makes true what is written down: what is not meant to run is stopped, then what is meant to and is not there is started. `mend`: so is what is ill. */
  #converge(how: { mend: boolean }): Promise<void> {
    const converging = this.#converging.then(async () => {
      const { desired } = this.#state;
      const old = [...this.#instances.values()].filter(
        (instance) => !desired || !isDeepStrictEqual(instance.deployment, desired) || (how.mend && instance.isTroubled),
      );
      await Promise.all(
        old.map(async (instance) => {
          await instance.stop(this.#options.hurry);
          this.#instances.delete(instance.role);
        }),
      );
      if (!desired || this.#stopping.signal.aborted) return;
      for (const role of Object.keys(desired.release.descriptor.roles)) {
        if (!this.#instances.has(role)) this.#instances.set(role, this.#create(role, desired));
      }
    });
    this.#converging = converging.catch(() => {}); // whoever waits for it hears of it; the next time may go better
    return converging;
  }

  /** Errors: StartFailed, Unhealthy, the signal's reason. */
  async #untilServing(withinMs: number, signal: AbortSignal): Promise<void> {
    const instances = [...this.#instances.values()];
    const endsBefore = new Map(instances.map((instance) => [instance, instance.ends]));
    const ended = (): RoleInstance | undefined => instances.find((instance) => instance.ends > endsBefore.get(instance)!);
    const all = (): true | undefined => (instances.every((instance) => instance.isServing) ? true : undefined);
    const outcome = await this.#options.changes.until(() => ended() ?? all(), { signal, withinMs });
    if (outcome === true) {
      await Promise.all(instances.map(({ writtenDown }) => writtenDown));
      return;
    }
    if (outcome) throw await outcome.failure('StartFailed');
    const late = instances.find((instance) => !instance.isServing)!;
    const why = late.state === 'healthy' ? 'it could not be registered in Nuwa' : late.toInstance().message?.split('\n', 1)[0];
    throw await late.failure('Unhealthy', `not healthy after ${withinMs} ms${why ? `: ${why}` : ''}`);
  }

  /** Of an instance that ended while no agent looked; what it left in its process group ends too. */
  async #forget(role: string, { pid, startTime }: InstanceRecord): Promise<void> {
    delete this.#state.instances[role];
    if (pid !== undefined && startTime !== undefined) await killProcessGroup(pid, startTime);
  }

  #create(role: string, deployment: Deployment, adopted?: { life: Life; record: InstanceRecord }): RoleInstance {
    const record = async (record: InstanceRecord | undefined): Promise<void> => {
      const { [role]: _, ...others } = this.#state.instances;
      this.#state = { ...this.#state, instances: record ? { ...others, [role]: record } : others };
      await this.#file.write(this.#state);
    };
    return this.#options.createInstance(role, deployment, record, adopted);
  }

  async #want(wanted: Pick<ApplicationState, 'desired' | 'previous'>): Promise<void> {
    const before = this.#state;
    this.#state = { ...before, ...wanted };
    try {
      await this.#file.write(this.#state);
    } catch (error) {
      this.#state = { ...this.#state, desired: before.desired, previous: before.previous };
      throw storageFailure(error, 'write down what is to run');
    }
  }
}

/** What `work` does goes on; nobody waits for it any more when the signal aborts. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
