/** The agent of one node: all of its applications, and what is asked of them. */
import { mkdir, readdir } from 'node:fs/promises';
import type { Logger } from '../../base/log.ts';
import { createMetrics } from '../../base/metrics.ts';
import { describeProblems, schemaProblems } from '../../base/problems.ts';
import type { NuwaClient } from '../../nuwa/contract.ts';
import type { PanguClient } from '../../pangu/contract.ts';
import {
  applicationName,
  type DayuAgent,
  type DayuControl,
  DayuError,
  type Deployment,
  deploymentSchema,
  type Instance,
  serviceName,
} from '../contract.ts';
import { DAYU_AGENT_METRICS } from '../metrics.ts';
import { Application } from './application.ts';
import { Changes } from './changes.ts';
import { RoleInstance } from './instance.ts';
import { placesOf } from './places.ts';
import { ServiceEntry } from './service-entry.ts';
import { readState } from './state-file.ts';

export interface AgentOptions {
  /** `<dataDir of tubo>/services`. */
  directory: string;
  facts: ConstructorParameters<typeof RoleInstance>[2]['facts'];
  nuwa: Pick<NuwaClient, 'register'>;
  pangu: PanguClient;
  log: Logger;
}

/** Often enough that a service which says too much costs no more than a few times the bound. */
const BOUND_LOGS_EVERY_MS = 5_000;

export class Agent implements DayuAgent {
  readonly node: string;
  readonly #options: AgentOptions;
  readonly #applications = new Map<string, Application>();
  readonly #changes = new Changes();
  readonly #hurry = new AbortController();
  readonly #closing = new AbortController();
  readonly #metrics = createMetrics(DAYU_AGENT_METRICS);
  #bounding: NodeJS.Timeout | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.node = options.facts.node;
  }

  /** Adopts what runs, starts what should, and returns without waiting until all is well. */
  async start(): Promise<void> {
    const { directory, log } = this.#options;
    await mkdir(directory, { recursive: true });
    this.#changes.listen(() => this.#count());
    for (const name of await readdir(directory)) {
      try {
        const state = await readState(placesOf(directory, name).stateFile);
        if (state) await this.#application(name).resume(state);
      } catch (error) {
        // The node's other applications are no worse for it.
        log.error({ error, application: name }, 'application.not_resumed');
      }
    }
    this.#bounding = setInterval(() => this.#boundLogs(), BOUND_LOGS_EVERY_MS);
    this.#bounding.unref();
  }

  async deploy(given: Deployment, control: DayuControl & { healthyWithinMs: number }): Promise<Instance[]> {
    const deployment = checked(given);
    const { application, version } = deployment.release;
    const { log } = this.#options;
    const endTimer = this.#metrics.deploySeconds.startTimer({ application });
    try {
      const instances = await this.#application(application).deploy(deployment, control);
      endTimer({ outcome: 'done' });
      log.info({ application, version }, 'deployment.done');
      return instances;
    } catch (error) {
      endTimer({ outcome: 'failed' });
      log.warn({ application, version, error }, 'deployment.failed');
      throw error;
    }
  }

  async remove(application: string, control: DayuControl): Promise<void> {
    await this.#application(application).remove(control);
  }

  async observe(application: string, control: DayuControl & { ms: number }): Promise<Instance[]> {
    return await this.#application(application).observe(control);
  }

  list(): Instance[] {
    return [...this.#applications.values()].flatMap((application) => application.list());
  }

  /** Stops all instances side by side, in the few seconds that a process has which is told to stop. They run again after the next start. */
  async stop(): Promise<void> {
    clearInterval(this.#bounding);
    this.#hurry.abort();
    await Promise.all([...this.#applications.values()].map((application) => application.stop()));
    this.#closing.abort();
  }

  #application(name: string): Application {
    const found = this.#applications.get(name);
    if (found) return found;
    // It becomes the name of a directory.
    if (!applicationName.safeParse(name).success) throw new DayuError('UnknownApplication', `"${name}" is no name of an application`);
    const { directory, facts, nuwa, pangu } = this.#options;
    const places = placesOf(directory, name);
    const log = this.#options.log.child({ application: name });
    const onChange = (): void => this.#changes.tell();
    const createInstance: ConstructorParameters<typeof Application>[0]['createInstance'] = (role, deployment, record, adopted) => {
      const named = { application: name, service: role };
      const ofRole = log.child({ role, version: deployment.release.version });
      const services = { facts, places, record, onChange, onRestart: () => this.#metrics.restarts.inc(named), log: ofRole };
      if (Object.keys(deployment.release.descriptor.roles[role]!.ports).length === 0)
        return new RoleInstance(role, deployment, services, adopted);
      const service = serviceName(name, role);
      const entry = new ServiceEntry({ nuwa, service, node: this.node, onChange, closing: this.#closing.signal, log: ofRole });
      return new RoleInstance(role, deployment, { ...services, entry }, adopted);
    };
    const { node } = this;
    const application = new Application({
      application: name,
      node,
      places,
      pangu,
      createInstance,
      changes: this.#changes,
      hurry: this.#hurry.signal,
      log,
    });
    this.#applications.set(name, application);
    return application;
  }

  #count(): void {
    const { instances } = this.#metrics;
    instances.reset();
    for (const { application, role, version, state } of this.list()) instances.inc({ application, service: role, version, state });
  }

  #boundLogs(): void {
    for (const application of this.#applications.values())
      application.boundLogs().catch((error) => this.#options.log.warn({ error }, 'log.not_bounded'));
  }
}

/** As it will be read from the disk again, so that the same order is known as the same. */
function checked(deployment: Deployment): Deployment {
  const parsed = deploymentSchema.safeParse(deployment);
  if (parsed.success) return parsed.data;
  const problems = schemaProblems(parsed.error);
  throw new DayuError('InvalidDescriptor', `a deployment that makes no sense: ${describeProblems(problems)}`, { details: { problems } });
}
