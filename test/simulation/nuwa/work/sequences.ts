import type { NuwaEvent } from '../../../../services/nuwa/contract.ts';
import type { SimClient } from '../client.ts';
import { mustHold } from '../failure.ts';

/** Clients that make sequential nodes, and pairs of nodes in a transaction, and hear of each exactly once however often they asked. */
export class Sequences {
  readonly #acknowledged = new Map<string, string>();
  readonly #uncertain = new Set<string>();
  #names = 0;

  run(client: SimClient): void {
    const { random } = client.around;
    const next = (): void => client.after(random.next() * 60, () => this.run(client));
    if (client.around.ending) return;
    if (client.session === '') return client.open(next);
    const name = `${client.name}:${++this.#names}`;
    const value = Buffer.from(name);
    const ephemeral = random.int(4) === 0;
    const create = { kind: 'create' as const, path: '/seq/n-', value, sequential: true, parents: true, ephemeral };
    const twice = random.int(3) === 0;
    client.write(
      twice ? { kind: 'transaction', operations: [create, { ...create, value: Buffer.from(`${name}+`) }] } : create,
      (reply, tries) => {
        if (reply.kind === 'done') {
          for (const [i, path] of twice ? reply.results!.map((result) => result.path!).entries() : [[0, reply.path!] as const])
            this.#acknowledged.set(i === 0 ? name : `${name}+`, path);
        } else if (reply.code === 'NoSession') {
          if (tries > 1) this.#uncertain.add(name);
          client.session = '';
        } else mustHold(false, 'exactly once', () => `${name} was refused: ${reply.code} ${reply.reason}`);
        next();
      },
    );
  }

  check(events: readonly (NuwaEvent | undefined)[]): void {
    const made = new Map<string, string>();
    const paths = new Set<string>();
    for (const event of events) {
      if (event?.kind !== 'created' || !event.path.startsWith('/seq/')) continue;
      const name = Buffer.from(event.value!).toString();
      mustHold(!made.has(name), 'exactly once', () => `${name} was made as ${made.get(name)} and again as ${event.path}`);
      mustHold(!paths.has(event.path), 'sequence', () => `${event.path} was given out twice`);
      made.set(name, event.path);
      paths.add(event.path);
    }
    for (const [name, path] of this.#acknowledged) {
      mustHold(
        made.get(name) === path,
        'no acknowledged change is lost',
        () => `${name} was acknowledged as ${path}; there is ${made.get(name)}`,
      );
    }
    for (const name of made.keys()) {
      const pair = name.endsWith('+') ? name.slice(0, -1) : undefined;
      mustHold(pair === undefined || made.has(pair), 'all or nothing', () => `${name} was made without ${pair}`);
    }
  }
}
