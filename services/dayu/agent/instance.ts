/**
 * One instance: a role of one deployment on this node, from its first start to its stop. It is kept running, asked whether it is well, and in Nuwa
 * exactly while it is. The states are in core/instance-state.ts; what an instance becomes it becomes here, in `#step`.
 */
import { mkdir, rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '../../base/backoff.ts';
import { messageOf } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import type { ServiceInfo } from '../../nuwa/contract.ts';
import { type DayuCode, DayuError, type Deployment, type Instance, type RoleDescriptor } from '../contract.ts';
import { type InstanceEvent, type InstanceHealth, STARTING, stepInstance } from '../core/instance-state.ts';
import { storageFailure } from '../storage-failure.ts';
import { instanceEnvironment, type NodeFacts } from './environment.ts';
import { checkHealth } from './health.ts';
import { type Life, startLife } from './life.ts';
import { fileBytes, logTail } from './log-file.ts';
import { waitFor } from './patience.ts';
import type { Places } from './places.ts';
import { choosePorts } from './ports.ts';
import type { ServiceEntry } from './service-entry.ts';
import type { InstanceRecord } from './state-file.ts';

/** A rollout waits for a start, so it is looked at more often than later. */
const STARTING_INTERVAL_MS = 100;
/** From the first crash on: soon, for it may have been chance, and ever more seldom. */
const RESTART = { firstMs: 500, maxMs: 30_000 };
/** Whoever lived so long did not crash at its start; the pauses begin anew. */
const LIVED_MS = 60_000;
/** While Nuwa is away nobody can be told; longer than a session lives it makes no difference. */
const LEAVE_MS = 5_000;
/** A Tubo that is told to stop has ten seconds for everything. */
const HURRIED = { leaveMs: 1_000, drainMs: 500, graceMs: 4_000 };

export interface InstanceServices {
  facts: NodeFacts & { rack: string /** Where instances are reached. */; host: string };
  places: Places;
  /** Absent for a role without ports, which nobody can call. */
  entry?: ServiceEntry;
  /** Writes down what must be known of it after a restart of the agent; undefined when it is gone. Errors: those of the disk. */
  record(record: InstanceRecord | undefined): Promise<void>;
  onChange(): void;
  onRestart(): void;
  log: Logger;
}

export class RoleInstance {
  readonly role: string;
  readonly deployment: Deployment;
  /** Ended by itself so often since this agent knows it. */
  ends = 0;
  readonly #services: InstanceServices;
  readonly #descriptor: RoleDescriptor;
  readonly #ending = new AbortController();
  #record: InstanceRecord;
  #health: InstanceHealth;
  #tail = '';
  #life: Life | undefined;
  /** Settled when no process is just being started. */
  #beginning: Promise<unknown> = Promise.resolve();
  #writing: Promise<void> = Promise.resolve();
  readonly #supervision: Promise<void>;
  #stopped: Promise<void> | undefined;

  /** `adopted`: a process that an earlier agent started, with what it wrote down. */
  constructor(role: string, deployment: Deployment, services: InstanceServices, adopted?: { life: Life; record: InstanceRecord }) {
    this.role = role;
    this.deployment = deployment;
    this.#services = services;
    this.#descriptor = deployment.release.descriptor.roles[role]!;
    this.#record = adopted?.record ?? { id: '', deployment, ports: {}, startedAtMs: Date.now(), restarts: 0, healthy: false, logFrom: 0 };
    this.#health = STARTING;
    this.#life = adopted?.life;
    if (adopted?.record.healthy) this.#step({ kind: 'well' });
    this.#supervision = this.#supervise(adopted?.life);
  }

  get state(): Instance['state'] {
    return this.#health.state;
  }

  /** Healthy, and found by callers if it is to be. */
  get isServing(): boolean {
    return this.state === 'healthy' && (this.#services.entry?.isIn ?? true);
  }

  /** Something is or was wrong with it that only a new start could mend. */
  get isTroubled(): boolean {
    return this.state === 'failed' || this.state === 'unhealthy' || (this.state === 'starting' && this.#record.restarts > 0);
  }

  /** Resolves when what it is now would be known after a restart of the agent. */
  get writtenDown(): Promise<void> {
    return this.#writing;
  }

  toInstance(): Instance {
    const { release } = this.deployment;
    const message = this.#health.message && withTail(this.#health.message, this.#tail);
    return {
      application: release.application,
      role: this.role,
      node: this.#services.facts.node,
      version: release.version,
      state: this.state,
      ...(this.#life ? { pid: this.#life.pid } : {}),
      ports: this.#record.ports,
      startedAtMs: this.#record.startedAtMs,
      restarts: this.#record.restarts,
      ...(message ? { message } : {}),
    };
  }

  /** Such as `Unhealthy: web of hello 1.2.0 on node-1: GET /healthz answered 503`, and below it the end of its log. */
  async failure(code: DayuCode, why = this.#health.message ?? `it is ${this.state}`): Promise<DayuError> {
    const { application, version } = this.deployment.release;
    const { node } = this.#services.facts;
    const log = await this.#readTail();
    const message = withTail(`${this.role} of ${application} ${version} on ${node}: ${why}`, log);
    return new DayuError(code, message, { details: { application, role: this.role, version, node, log } });
  }

  /** Out of Nuwa, time for callers to hear of it, SIGTERM, time to end, SIGKILL. Resolves when its process group is gone. */
  stop(hurry: AbortSignal): Promise<void> {
    this.#stopped ??= this.#stop(hurry);
    return this.#stopped;
  }

  async #stop(hurry: AbortSignal): Promise<void> {
    const { entry, log } = this.#services;
    const wasFound = entry?.isIn ?? false;
    this.#step({ kind: 'stop' });
    this.#ending.abort();
    await this.#beginning;
    if (entry) await waitFor(entry.leave(), { ms: LEAVE_MS, hurry, hurriedMs: HURRIED.leaveMs });
    const life = this.#life;
    if (life) {
      const { drainMs, stopGraceMs } = this.#descriptor;
      if (wasFound) await waitFor(life.ended, { ms: drainMs, hurry, hurriedMs: HURRIED.drainMs });
      await life.signal('SIGTERM');
      if (!(await waitFor(life.ended, { ms: stopGraceMs, hurry, hurriedMs: HURRIED.graceMs }))) {
        log.warn({ pid: life.pid, stopGraceMs }, 'instance.killed_after_grace');
        await life.signal('SIGKILL');
      }
      await life.ended;
    }
    await this.#supervision;
    await this.#write(undefined);
    log.info({ pid: life?.pid }, 'instance.stopped');
  }

  async #supervise(adopted: Life | undefined): Promise<void> {
    const ending = this.#ending.signal;
    let life = adopted;
    for (let failures = 0; !ending.aborted; ) {
      const beganMs = performance.now();
      const how = life ? await this.#live(life) : await this.#begin();
      if (ending.aborted) return;
      if (typeof how !== 'string') {
        life = how;
        continue;
      }
      life = undefined;
      failures = performance.now() - beganMs > LIVED_MS ? 1 : failures + 1;
      await this.#becomeFailed(how);
      await delay(backoffMs(failures, systemRandom, RESTART), undefined, { signal: ending }).catch(() => {});
      if (ending.aborted) return;
      this.#record = { ...this.#record, restarts: this.#record.restarts + 1 };
      this.#services.onRestart();
      this.#step({ kind: 'started' });
    }
  }

  /** @returns a life, or why there is none. */
  async #begin(): Promise<Life | string> {
    const beginning = this.#start().catch((error) => `could not be started: ${messageOf(error)}`);
    this.#beginning = beginning;
    return await beginning;
  }

  async #start(): Promise<Life | string> {
    const { places, log } = this.#services;
    const { role, deployment } = this;
    const [tmp, file, pidFile] = [places.tmp(role), places.log(role), places.pidFile(role)];
    const ports = await choosePorts(this.#descriptor.ports);
    const { restarts } = this.#record;
    const logFrom = await fileBytes(file);
    this.#record = { id: newId(), deployment, ports, startedAtMs: Date.now(), restarts, healthy: false, logFrom };
    await this.#services.record(this.#record).catch((error) => {
      throw storageFailure(error, 'write down that it is started');
    });
    await rm(tmp, { recursive: true, force: true });
    await mkdir(tmp, { recursive: true });
    if (this.#ending.signal.aborted) return 'was stopped';
    const { command } = this.#descriptor;
    const life = await startLife({ command, cwd: places.release(deployment.release.digest), env: this.#environment(), log: file, pidFile });
    this.#life = life;
    this.#record = { ...this.#record, pid: life.pid, startTime: life.startTime };
    log.info({ pid: life.pid, ports, restarts }, 'instance.started');
    await this.#write(this.#record);
    this.#services.onChange();
    return life;
  }

  /** Checks it until it ends. @returns how it ended. */
  async #live(life: Life): Promise<string> {
    const over = new AbortController();
    const checking = this.#check(AbortSignal.any([over.signal, this.#ending.signal]));
    const how = await life.ended;
    over.abort();
    await checking;
    this.#life = undefined;
    return how;
  }

  async #check(giveUp: AbortSignal): Promise<void> {
    const { health } = this.#descriptor;
    const cwd = this.#services.places.release(this.deployment.release.digest);
    const context = { ports: this.#record.ports, cwd, env: this.#environment() };
    const asked = health.http ?? health.tcp ?? health.command;
    for (let first = true; !giveUp.aborted; first = false) {
      // Without a check, running is being well; but not before it had time to crash.
      if (!first || !asked) await delay(this.#intervalMs(asked !== undefined), undefined, { signal: giveUp }).catch(() => {});
      if (giveUp.aborted) return;
      const why = await checkHealth(health, context, giveUp);
      if (giveUp.aborted) return;
      this.#step(why === undefined ? { kind: 'well' } : { kind: 'ill', why });
      if (!asked) return;
    }
  }

  #intervalMs(asked: boolean): number {
    const { intervalMs } = this.#descriptor.health;
    return asked && this.state === 'starting' ? Math.min(STARTING_INTERVAL_MS, intervalMs) : intervalMs;
  }

  async #becomeFailed(how: string): Promise<void> {
    this.#tail = await this.#readTail();
    this.ends++;
    if (!this.#ending.signal.aborted) this.#step({ kind: 'ended', how });
  }

  #step(event: InstanceEvent): void {
    const before = this.#health;
    this.#health = stepInstance(before, event, this.#descriptor.health.failuresMax);
    const { state, message } = this.#health;
    if (state !== before.state) {
      const { entry, log } = this.#services;
      log.info({ pid: this.#life?.pid, from: before.state, why: message }, `instance.${state}`);
      void (state === 'healthy' ? entry?.enter(this.#serviceInfo()) : entry?.leave());
      if (state === 'unhealthy') void this.#readTail().then((tail) => (this.#tail = tail));
      const healthy = state === 'healthy';
      if (healthy !== this.#record.healthy && state !== 'stopping') {
        this.#record = { ...this.#record, healthy };
        void this.#write(this.#record);
      }
    }
    this.#services.onChange();
  }

  #serviceInfo(): ServiceInfo {
    const { ports } = this.#record;
    const { application, version } = this.deployment.release;
    const { node, rack, host } = this.#services.facts;
    const named = Object.fromEntries(Object.entries(ports).map(([name, port]) => [`port_${name}`, port]));
    return {
      address: `tcp://${host}:${Object.values(ports)[0]}`,
      node,
      rack,
      ...(this.#life ? { pid: this.#life.pid } : {}),
      attributes: { application, role: this.role, version, ...named },
    };
  }

  #environment(): Record<string, string> {
    const { places, facts } = this.#services;
    const { id, ports } = this.#record;
    return instanceEnvironment({ id, role: this.role, deployment: this.deployment, ports, tmp: places.tmp(this.role) }, facts);
  }

  #readTail(): Promise<string> {
    return logTail(this.#services.places.log(this.role), this.#record.logFrom);
  }

  /** Where a note that is missing can be made good: by the pid file, or by the checks that come next. */
  #write(record: InstanceRecord | undefined): Promise<void> {
    this.#writing = this.#services.record(record).catch((error) => this.#services.log.warn({ error }, 'instance.not_written_down'));
    return this.#writing;
  }
}

function withTail(what: string, tail: string): string {
  return tail === '' ? what : `${what}\nits log ends with:\n${tail}`;
}
