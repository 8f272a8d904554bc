import { hasCode } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import { keepFollowing } from '../../../nuwa/client.ts';
import { type NuwaClient, type NuwaEvent, type NuwaNode, SERVICES_PATH, serviceInfoSchema } from '../../../nuwa/contract.ts';
import { TUBO_SERVICE } from '../../contract.ts';
import { nodeOfRegistration } from '../../core/pool-registration.ts';
import type { FuxiMaster } from '../master.ts';

const TUBOS_PATH = `${SERVICES_PATH}/${TUBO_SERVICE}`;

export interface WatchNodesOptions {
  master: FuxiMaster;
  nuwa: NuwaClient;
  log: Logger;
  signal: AbortSignal;
}

/**
 * Which nodes there are: the Tubos registered in Nuwa. One registration is one life of a Tubo; its `createRevision` is the node's incarnation.
 * Resolves when all that are there now are in the books, and goes on until `signal` aborts.
 */
export async function watchNodes({ master, nuwa, log, signal }: WatchNodesOptions): Promise<{ ended: Promise<void> }> {
  await nuwa.create(TUBOS_PATH, new Uint8Array(), { parents: true }).catch((error) => {
    if (!hasCode(error, 'NodeExists')) throw error;
  });
  const registrations = new Registrations(master, log);
  return keepFollowing(nuwa, TUBOS_PATH, {
    signal,
    log,
    take(news) {
      if (news.kind === 'snapshot') registrations.takeAll(news.nodes);
      else registrations.take(news.event);
    },
  });
}

class Registrations {
  readonly #master: FuxiMaster;
  readonly #log: Logger;
  /** Path of a registration → the node it stands for. */
  readonly #nodes = new Map<string, { node: string; incarnation: string }>();

  constructor(master: FuxiMaster, log: Logger) {
    this.#master = master;
    this.#log = log;
  }

  /** What was missed shows in the difference. */
  takeAll(nodes: readonly NuwaNode[]): void {
    const paths = new Set(nodes.map(({ path }) => path));
    for (const path of this.#nodes.keys()) if (!paths.has(path)) this.#remove(path);
    for (const { path, value, createRevision } of nodes) this.#put(path, value, String(createRevision));
  }

  take(event: NuwaEvent): void {
    if (event.kind === 'deleted') return this.#remove(event.path);
    const known = this.#nodes.get(event.path)?.incarnation;
    this.#put(event.path, event.value!, event.kind === 'changed' && known ? known : String(event.revision));
  }

  #put(path: string, value: Uint8Array, incarnation: string): void {
    const instance = path.slice(TUBOS_PATH.length + 1);
    const info = serviceInfoSchema.safeParse(jsonOf(value));
    const node = info.success ? nodeOfRegistration({ instance, ...info.data }, incarnation) : 'its value is not what a service registers';
    if (typeof node === 'string') {
      this.#log.warn({ path, problem: node }, 'node.refused');
      return;
    }
    this.#log.info({ node: node.id, incarnation, ...node.capacity }, 'node.up');
    this.#nodes.set(path, { node: node.id, incarnation });
    this.#master.handle({ kind: 'nodeUp', node });
  }

  #remove(path: string): void {
    const known = this.#nodes.get(path);
    if (!known) return;
    this.#nodes.delete(path);
    this.#log.warn({ node: known.node }, 'node.down');
    this.#master.handle({ kind: 'nodeDown', node: known.node, reason: `${known.node} is gone: its Tubo no longer answers Nuwa` });
  }
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}
