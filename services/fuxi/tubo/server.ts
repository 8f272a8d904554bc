/**
 * Tubo, the agent of one node: runs batches in containers for whoever wires it to the workflow engine (infra/tubo.ts does), tells Nuwa
 * what the node offers, and answers questions about attempts and their logs.
 */
import { mkdir } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createLogger, type Logger } from '../../base/log.ts';
import type { RoleConfig } from '../../base/role.ts';
import { implement, serve } from '../../kuafu/server.ts';
import { joinCluster } from '../../nuwa/client.ts';
import { createPangu } from '../../pangu/client.ts';
import { type BatchRequest, type BatchResult, FuxiError, TUBO_SERVICE, tuboService, type WorkflowPort } from '../contract.ts';
import { passedEnvironment } from '../runner/environment.ts';
import { toEnvironment } from '../runner/messages.ts';
import { AttemptTable, segment } from './attempt-table.ts';
import { type BatchControl, type BatchServices, runBatch } from './batch.ts';
import { Container } from './container.ts';
import { removeLeftovers } from './leftovers.ts';
import { joinNodes } from './membership.ts';
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
  /** Kills all containers, unregisters, closes. Safe to call twice. */
  stop(): Promise<void>;
}

/** Programs that belong to no package, when `FEITIAN_PROGRAMS` names no other directories. */
const EXAMPLES = fileURLToPath(new URL('../../../infra/examples', import.meta.url));

export async function startTubo(config: RoleConfig, ports: { workflows: WorkflowPort; log?: Logger }): Promise<Tubo> {
  const { cluster, node, nuwa } = config;
  const dataDir = resolve(config.dataDir);
  if (!node) throw new Error('role tubo needs a node');
  const log = ports.log ?? createLogger({ role: TUBO_SERVICE, node: node.id });
  const directories = { containers: join(dataDir, 'containers'), logs: join(dataDir, 'logs'), packages: join(dataDir, 'packages') };
  const leftovers = await removeLeftovers(directories.containers);
  if (leftovers > 0) log.warn({ leftovers }, 'containers.killed');
  for (const directory of Object.values(directories)) await mkdir(directory, { recursive: true });

  const member = await joinCluster({ cluster, nuwa, creator: `${TUBO_SERVICE} on ${node.id}`, log });
  const pangu = createPangu({ cluster, kuafu: member.kuafu, node: node.id, log });
  const table = new AttemptTable();
  const telling = tellAttempts(table);
  const handlers = { attempts: createAttempts(table, directories.logs), log: createLog(directories.logs) };
  const server = await serve({ address: config.listen, implementations: [implement(tuboService, handlers)], log });
  const stopTidying = keepTidy([directories.logs, directories.packages], (error) => log.warn({ error }, 'retention.failed'));

  const packages = new Packages(directories.packages, pangu);
  const services: BatchServices = { pangu, workflows: ports.workflows, table, telling, logsDirectory: directories.logs, log };
  const programs = (process.env.FEITIAN_PROGRAMS ?? EXAMPLES).split(':').filter(Boolean);
  const containers = new Containers((id) => {
    const directory = join(directories.containers, segment(id));
    const env = { ...passedEnvironment(process.env), ...toEnvironment({ cluster, node: node.id, nuwa, programs, directory }) };
    return new Container({ directory, env, packages });
  }, services);

  await joinNodes(member.nuwa, node);
  // Last, for from now on containers are granted here.
  const { cpu, memoryMiB } = config.resources ?? { cpu: availableParallelism(), memoryMiB: Math.floor(totalmem() / 2 ** 20 / 2) };
  const registration = await member.nuwa.register(TUBO_SERVICE, node.id, {
    address: server.address,
    node: node.id,
    rack: node.rack,
    pid: process.pid,
    attributes: { cpu, memoryMiB },
  });

  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await registration.unregister().catch((error) => log.warn({ error }, 'unregister.failed'));
    await containers.stop();
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
    stop: () => (stopped ??= stop()),
  };
}

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
  #stopping = false;

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
    if (this.#stopping) throw new FuxiError('NodeLost', 'this Tubo is stopping');
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

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(
      [...this.#held.values()].map(async ({ container, batch }) => {
        batch?.abort(new FuxiError('NodeLost', 'its Tubo was stopped'));
        await batch?.ended.catch(() => {});
        await container.end();
      }),
    );
  }
}
