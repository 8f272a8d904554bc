import { nodeAt, type TreeState } from '../../../../services/nuwa/core/tree/state.ts';
import type { SimClient } from '../client.ts';
import { mustHold } from '../failure.ts';

const PATH = '/lock';

/**
 * Clients that take turns with a lock: a sequential ephemeral node each, the lowest holds it. While a holder trusts its session nobody else may,
 * and tokens (the revision that made the holder's node) only grow. What the lock protects is written with the token, and late writes of a holder
 * that was given up arrive after those of its successor: the token refuses them.
 */
export class Locks {
  #holder: { client: SimClient; token: number } | undefined;
  #highestToken = 0;
  /** What the lock protects: the highest token it saw. */
  #resourceToken = 0;
  grants = 0;
  fenced = 0;

  run(client: SimClient): void {
    const next = (): void => client.after(20 + client.around.random.next() * 100, () => this.run(client));
    if (client.around.ending) return;
    if (client.session === '') return client.open(next);
    client.write(
      { kind: 'create', path: `${PATH}/n-`, value: Buffer.from(client.name), sequential: true, ephemeral: true, parents: true },
      (reply) => {
        if (reply.kind === 'refused') {
          client.session = '';
          return next();
        }
        this.#wait(client, reply.path!, client.session, next);
      },
    );
  }

  #wait(client: SimClient, path: string, session: string, next: () => void): void {
    client.read(
      (state) => standing(state, path),
      (seen) => {
        if (seen === undefined || client.session !== session) {
          client.session = '';
          return next();
        }
        if (client.around.ending) return;
        if (!seen.first) return client.after(50, () => this.#wait(client, path, session, next));
        this.#hold(client, path, session, seen.createRevision, next);
      },
    );
  }

  #hold(client: SimClient, path: string, session: string, token: number, next: () => void): void {
    const { random, timeline } = client.around;
    if (!client.trusted || client.session !== session) {
      client.session = '';
      return next();
    }
    const other = this.#holder;
    if (other && other.client !== client)
      mustHold(
        !other.client.trusted || other.client.dead,
        'lock exclusion',
        () => `${other.client.name} (token ${other.token}) and ${client.name} (token ${token}) hold the lock at ${timeline.nowMs} ms`,
      );
    mustHold(token > this.#highestToken || other?.token === token, 'fencing', () => `token ${token} after ${this.#highestToken}`);
    this.#highestToken = Math.max(this.#highestToken, token);
    this.#holder = { client, token };
    this.grants++;
    // A write to what the lock protects, which may take long.
    timeline.after(random.int(4) === 0 ? random.next() * 3_000 : random.next() * 30, () => this.#writeResource(token));
    client.after(30 + random.next() * 200, () => {
      if (this.#holder?.token === token) this.#holder = undefined;
      client.write({ kind: 'delete', path }, () => next());
    });
  }

  #writeResource(token: number): void {
    if (token < this.#resourceToken) this.fenced++;
    else this.#resourceToken = token;
  }
}

/** Whether the node is the first of the queue; undefined when it is gone. */
function standing(state: TreeState, path: string): { first: boolean; createRevision: number } | undefined {
  const node = nodeAt(state, path);
  if (!node) return undefined;
  const [first] = nodeAt(state, PATH)!.children!.names();
  return { first: `${PATH}/${first}` === path, createRevision: node.createRevision };
}
