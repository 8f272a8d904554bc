import { backoffMs } from '../../../base/backoff.ts';
import type { Clock } from '../../../base/clock.ts';
import { hasCode, messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { Random } from '../../../base/random.ts';
import { type NuwaClient, type NuwaEvent, SERVICES_PATH, serviceInfoSchema } from '../../../nuwa/contract.ts';
import { TUBO_SERVICE } from '../../contract.ts';
import { nodeOfRegistration } from '../../core/pool-registration.ts';
import type { FuxiMaster } from '../master.ts';

const TUBOS_PATH = `${SERVICES_PATH}/${TUBO_SERVICE}`;

export interface WatchNodesOptions {
  master: FuxiMaster;
  nuwa: NuwaClient;
  clock: Clock;
  random: Random;
  log: Logger;
  signal: AbortSignal;
}

/**
 * Which nodes there are: the Tubos registered in Nuwa. One registration is one life of a Tubo; its `createRevision` is the node's incarnation.
 * Resolves when all that are there now are in the books, and goes on until `signal` aborts.
 */
export async function watchNodes(options: WatchNodesOptions): Promise<{ ended: Promise<void> }> {
  await options.nuwa.create(TUBOS_PATH, new Uint8Array(), { parents: true }).catch((error) => {
    if (!hasCode(error, 'NodeExists')) throw error;
  });
  const registrations = new Registrations(options);
  const revision = await registrations.takeAll();
  return { ended: follow(options, registrations, revision) };
}

async function follow(
  { nuwa, clock, random, log, signal }: WatchNodesOptions,
  registrations: Registrations,
  listedAt: number,
): Promise<void> {
  let revision: number | undefined = listedAt;
  for (let failures = 0; !signal.aborted; ) {
    try {
      revision ??= await registrations.takeAll();
      for await (const event of nuwa.watch(TUBOS_PATH, { recursive: true, afterRevision: revision, signal })) {
        registrations.take(event);
        revision = event.revision;
        failures = 0;
      }
    } catch (error) {
      if (signal.aborted) return;
      log.warn({ error: messageOf(error) }, 'nodes.watch-failed');
      revision = undefined; // list again: what was missed shows in the difference
      await clock.sleep(backoffMs(++failures, random), signal).catch(() => {});
    }
  }
}

class Registrations {
  readonly #options: WatchNodesOptions;
  /** Path of a registration → the node it stands for. */
  readonly #nodes = new Map<string, { node: string; incarnation: string }>();

  constructor(options: WatchNodesOptions) {
    this.#options = options;
  }

  async takeAll(): Promise<number> {
    const { children, revision } = await this.#options.nuwa.list(TUBOS_PATH);
    const listed = new Set(children.map((child) => child.path));
    for (const path of this.#nodes.keys()) if (!listed.has(path)) this.#remove(path);
    for (const child of children) this.#put(child.path, child.value, String(child.createRevision));
    return revision;
  }

  take(event: NuwaEvent): void {
    if (event.path === TUBOS_PATH) return;
    if (event.kind === 'deleted') return this.#remove(event.path);
    const known = this.#nodes.get(event.path)?.incarnation;
    this.#put(event.path, event.value!, event.kind === 'changed' && known ? known : String(event.revision));
  }

  #put(path: string, value: Uint8Array, incarnation: string): void {
    const { master, log } = this.#options;
    const instance = path.slice(TUBOS_PATH.length + 1);
    const info = serviceInfoSchema.safeParse(jsonOf(value));
    const node = info.success ? nodeOfRegistration({ instance, ...info.data }, incarnation) : 'its value is not what a service registers';
    if (typeof node === 'string') {
      log.warn({ path, problem: node }, 'node.refused');
      return;
    }
    log.info({ node: node.id, incarnation, ...node.capacity }, 'node.up');
    this.#nodes.set(path, { node: node.id, incarnation });
    master.handle({ kind: 'nodeUp', node });
  }

  #remove(path: string): void {
    const known = this.#nodes.get(path);
    if (!known) return;
    this.#nodes.delete(path);
    this.#options.log.warn({ node: known.node }, 'node.down');
    this.#options.master.handle({ kind: 'nodeDown', node: known.node, reason: `${known.node} is gone: its Tubo no longer answers Nuwa` });
  }
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}
