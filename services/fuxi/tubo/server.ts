/**
 * Tubo, the agent of one node: runs batches in containers for whoever wires it to the workflow engine (infra/tubo.ts does), tells Nuwa
 * what the node offers, and answers questions about attempts and their logs.
 */
import { mkdir } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../base/clock.ts';
import { createLogger, type Logger } from '../../base/log.ts';
import type { RoleConfig } from '../../base/role.ts';
import { implement, serve } from '../../kuafu/server.ts';
import { joinCluster } from '../../nuwa/client.ts';
import type { Registration } from '../../nuwa/contract.ts';
import { createPangu } from '../../pangu/client.ts';
import { type BatchRequest, type BatchResult, FuxiError, TUBO_SERVICE, tuboService, type WorkflowPort } from '../contract.ts';
import { passedEnvironment } from '../runner/environment.ts';
import { toEnvironment } from '../runner/messages.ts';
import { AttemptIdentities } from './attempt-identity.ts';
import { AttemptTable, segment } from './attempt-table.ts';
import { type BatchControl, type BatchServices, runBatch } from './batch.ts';
import { Container } from './container.ts';
import { Leaving } from './leaving.ts';
import { removeLeftovers } from './leftovers.ts';
import { joinNodes, noteLeaving } from './membership.ts';
import { createAttempts } from './ops/attempts.ts';
import { createLog } from './ops/log.ts';
import { Packages } from './packages.ts';
import { keepTidy } from './retention.ts';
import { tellAttempts } from './tell.ts';

export interface Tubo {
  readonly node: string;
  /** Where it answers Kuafu calls. */
  readonly address: string;
  runBatch(request: BatchRequest, control: BatchControl): Promise<BatchResult>;
  /**
   * The node leaves the cluster for good: nothing new is taken, what runs may go on to its end for up to `graceMs`, then containers end and the node is out
   * of FuxiMaster's books. Called again, also after a restart, it goes on where it was.
   */
  leave(control: LeaveControl): Promise<void>;
  /** Kills all containers, unregisters, closes. Safe to call twice. */
  stop(): Promise<void>;
}

export interface LeaveControl {
  graceMs: number;
  /** Called every second with how many batches still run. */
  onWaiting(batches: number): void;
  /** Its end is the end of the waiting, not of the leaving: what was begun is gone on with by the next call. */
  signal: AbortSignal;
}

/** Programs that belong to no package, when `FEITIAN_PROGRAMS` names no other directories. */
const EXAMPLES = fileURLToPath(new URL('../../../infra/examples', import.meta.url));

export async function startTubo(config: RoleConfig, ports: { workflows: WorkflowPort; log?: Logger }): Promise<Tubo> {
  const { cluster, node, nuwa } = config;
  const dataDir = resolve(config.dataDir);
  if (!node) throw new Error('role tubo needs a node');
  const log = ports.log ?? createLogger({ role: TUBO_SERVICE, node: node.id });
  const directories = { containers: join(dataDir, 'containers'), logs: join(dataDir, 'logs'), packages: join(dataDir, 'packages') };
  const leaving = await Leaving.open(dataDir);
  const leftovers = await removeLeftovers(directories.containers);
  if (leftovers > 0) log.warn({ leftovers }, 'containers.killed');
  for (const directory of Object.values(directories)) await mkdir(directory, { recursive: true });

  const member = await joinCluster({ cluster, nuwa, creator: `${TUBO_SERVICE} on ${node.id}`, identity: config.identity, log });
  const pangu = createPangu({ cluster, kuafu: member.kuafu, nuwa: member.nuwa, node: node.id, log });
  const table = new AttemptTable();
  const telling = tellAttempts(table);
  const handlers = { attempts: createAttempts(table, directories.logs), log: createLog(directories.logs) };
  const server = await serve({
    address: config.listen,
    implementations: [implement(tuboService, handlers)],
    guard: config.guard ?? 'none',
    cluster,
    log,
  });
  const stopTidying = keepTidy([directories.logs, directories.packages], (error) => log.warn({ error }, 'retention.failed'));

  const packages = new Packages(directories.packages, pangu);
  const own = config.identity;
  const tls = config.security?.tls;
  const identities = own && new AttemptIdentities({ own, cluster, pangu, nuwa: member.nuwa, log });
  const services: BatchServices = { pangu, workflows: ports.workflows, table, telling, identities, logsDirectory: directories.logs, log };
  const programs = (process.env.FEITIAN_PROGRAMS ?? EXAMPLES).split(':').filter(Boolean);
  const containers = new Containers((id) => {
    const directory = join(directories.containers, segment(id));
    const env = { ...passedEnvironment(process.env), ...toEnvironment({ cluster, node: node.id, nuwa, tls, programs, directory }) };
    return new Container({ directory, env, packages });
  }, services);

  // Last, for from now on containers are granted here.
  const { cpu, memoryMiB } = config.resources ?? { cpu: availableParallelism(), memoryMiB: Math.floor(totalmem() / 2 ** 20 / 2) };
  const info = { address: server.address, node: node.id, rack: node.rack, pid: process.pid, attributes: { cpu, memoryMiB } };
  let registration: Registration | undefined;
  if (leaving.on) {
    log.info({}, 'node.left'); // whatever ran here went with the Tubo before
  } else {
    await joinNodes(member.nuwa, node);
    registration = await member.nuwa.register(TUBO_SERVICE, node.id, info);
  }
  const leavingReason = `${node.id} is leaving the cluster`;
  if (leaving.on) containers.refuse(leavingReason);
  const unregister = async (): Promise<void> => {
    await registration?.unregister();
    registration = undefined;
  };
  const leave = async ({ graceMs, onWaiting, signal }: LeaveControl): Promise<void> => {
    if (!leaving.on) log.info({ graceMs }, 'node.leaving');
    await leaving.begin();
    await noteLeaving(member.nuwa, node);
    containers.refuse(leavingReason);
    // First no more is granted here while what was granted goes on, then nothing is there any more.
    await registration?.update({ ...info, attributes: { ...info.attributes, leaving: true } });
    await containers.idle(graceMs, onWaiting, signal);
    await unregister();
    await containers.stop('its node left the cluster');
    log.info({}, 'node.left');
  };

  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await unregister().catch((error) => log.warn({ error }, 'unregister.failed'));
    await containers.stop('its Tubo was stopped');
    stopTidying();
    telling.stop();
    await server.close();
    await pangu.close();
    await member.leave();
  };
  return {
    node: node.id,
    address: server.address,
    async runBatch(request, control) {
      if (request.container.node !== node.id)
        throw new FuxiError(
          'UnknownContainer',
          `container ${request.container.id} is on ${request.container.node}, and this is ${node.id}`,
        );
      return containers.runBatch(request, control);
    },
    leave,
    stop: () => (stopped ??= stop()),
  };
}

/** How often who waits for batches to end is told of them. */
const LOOK_MS = 1_000;

interface Held {
  container: Container;
  /** The batch at work, if any. */
  batch?: { abort: (reason: FuxiError) => void; ended: Promise<unknown> };
}

/** The node's containers, each with at most one batch at work. */
class Containers {
  readonly #create: (id: string) => Container;
  readonly #services: BatchServices;
  readonly #held = new Map<string, Held>();
  /** Why no new batch is taken, if so. */
  #refusal: string | undefined;

  constructor(create: (id: string) => Container, services: BatchServices) {
    this.#create = create;
    this.#services = services;
  }

  async runBatch(request: BatchRequest, control: BatchControl): Promise<BatchResult> {
    const { id } = request.container;
    const held = this.#held.get(id) ?? { container: this.#create(id) };
    this.#held.set(id, held);
    // Whoever holds the container sent a new batch, so nobody waits for the old one any more.
    while (held.batch) {
      held.batch.abort(new FuxiError('Killed', 'its container was given to a newer batch'));
      await held.batch.ended.catch(() => {});
    }
    if (this.#refusal !== undefined) throw new FuxiError('NodeLost', this.#refusal);
    const own = new AbortController();
    const signal = AbortSignal.any([control.signal, own.signal]);
    const running = runBatch(request, held.container, { ...control, signal }, this.#services);
    const batch = { abort: (reason: FuxiError) => own.abort(reason), ended: running };
    held.batch = batch;
    try {
      return await running;
    } finally {
      delete held.batch;
      held.container.rest(() => {
        if (!held.batch) this.#held.delete(id);
      });
    }
  }

  refuse(reason: string): void {
    this.#refusal = reason;
  }

  /** Resolves when no batch is at work, or the time is over. */
  async idle(withinMs: number, onWaiting: (batches: number) => void, signal: AbortSignal): Promise<void> {
    const untilMs = systemClock.monotonicMs() + withinMs;
    for (;;) {
      const batches = [...this.#held.values()].flatMap(({ batch }) => batch ?? []);
      if (batches.length === 0 || systemClock.monotonicMs() >= untilMs) return;
      signal.throwIfAborted();
      onWaiting(batches.length);
      const ended = Promise.allSettled(batches.map((batch) => batch.ended));
      await Promise.race([ended, systemClock.sleep(Math.min(LOOK_MS, untilMs - systemClock.monotonicMs()))]);
    }
  }

  async stop(reason: string): Promise<void> {
    this.#refusal ??= 'this Tubo is stopping';
    await Promise.all(
      [...this.#held.values()].map(async ({ container, batch }) => {
        batch?.abort(new FuxiError('NodeLost', reason));
        await batch?.ended.catch(() => {});
        await container.end();
      }),
    );
  }
}
