import { nodeAt } from '../../../../services/nuwa/core/tree/state.ts';
import { isLinearizable, type Model, type Operation } from '../../../helpers/linearizability.ts';
import type { SimClient } from '../client.ts';
import { mustHold } from '../failure.ts';

export const KEYS = ['/a', '/b'] as const;

/** Values of one node, as a client sees them. */
export type Input =
  | { do: 'get' }
  | { do: 'create'; value: string }
  | { do: 'set'; value: string; version?: number }
  | { do: 'delete'; version?: number };
export interface Output {
  /** Of a change: whether it was made. */
  done?: boolean;
  value?: string;
  version?: number;
}
/** Absent: no node is there. */
export type State = { node?: { value: string; version: number } };

export const REGISTER: Model<State, Input, Output> = {
  initial: {},
  step({ node }, input, output) {
    const fits = (done: boolean, next: State): State | undefined =>
      output && output.done !== done ? undefined : done ? next : { ...(node ? { node } : {}) };
    switch (input.do) {
      case 'get':
        return output && (output.value !== node?.value || output.version !== node?.version) ? undefined : node ? { node } : {};
      case 'create':
        return fits(!node, { node: { value: input.value, version: 0 } });
      case 'set': {
        const allowed = node !== undefined && (input.version === undefined || input.version === node.version);
        if (allowed && output?.done && output.version !== node.version + 1) return undefined;
        return fits(allowed, { node: { value: input.value, version: (node?.version ?? 0) + 1 } });
      }
      case 'delete':
        return fits(node !== undefined && (input.version === undefined || input.version === node.version), {});
    }
  },
  key: ({ node }) => (node ? `${node.version} ${node.value}` : ''),
};

/** Clients that read and change a few nodes, one thing after the other each; what they saw must be linearizable. */
export class Registers {
  readonly #histories = new Map<string, Operation<Input, Output>[]>(KEYS.map((key) => [key, []]));
  #moment = 0;
  #values = 0;
  operations = 0;

  /** `reads`: nothing else. Such a client stays with a server that is cut off as long as that one answers. */
  run(client: SimClient, does: 'reads' | 'all'): void {
    const { random } = client.around;
    const next = (): void => client.after(random.next() * 40, () => this.run(client, does));
    if (client.around.ending) return;
    if (does === 'reads') return this.#get(client, KEYS[random.int(KEYS.length)]!, next);
    if (client.session === '') return client.open(next);
    const key = KEYS[random.int(KEYS.length)]!;
    const dice = random.int(10);
    if (dice < 4) return this.#get(client, key, next);
    const version = random.int(3) === 0 ? random.int(4) : undefined;
    const guard = version === undefined ? {} : { version };
    const value = `${client.name}:${++this.#values}`;
    const bytes = Buffer.from(value);
    if (dice < 5) return this.#change(client, key, { do: 'delete', ...guard }, { kind: 'delete', path: key, ...guard }, next);
    if (dice < 7) return this.#change(client, key, { do: 'create', value }, { kind: 'create', path: key, value: bytes }, next);
    this.#change(client, key, { do: 'set', value, ...guard }, { kind: 'set', path: key, value: bytes, ...guard }, next);
  }

  #get(client: SimClient, key: string, next: () => void): void {
    const record = this.#begin(key, { do: 'get' });
    client.read(
      (state) => {
        const node = nodeAt(state, key);
        return node ? { value: Buffer.from(node.value).toString(), version: node.version } : {};
      },
      (seen) => {
        record(seen);
        next();
      },
    );
  }

  #change(client: SimClient, key: string, input: Input, body: Parameters<SimClient['write']>[0], next: () => void): void {
    const record = this.#begin(key, input);
    client.write(body, (reply, tries) => {
      if (reply.kind === 'done') record({ done: true, ...(reply.version === undefined ? {} : { version: reply.version }) });
      else if (reply.code === 'NoSession') {
        // An earlier try may have been made before the session expired: nobody knows.
        if (tries === 1) record({ done: false }, true);
        client.session = '';
      } else record({ done: false });
      next();
    });
  }

  /** @returns how to note the reply; `never`: it was surely not done, so it is no part of the history. */
  #begin(key: string, input: Input): (output: Output, never?: boolean) => void {
    const history = this.#histories.get(key)!;
    const operation: { -readonly [K in keyof Operation<Input, Output>]: Operation<Input, Output>[K] } = {
      input,
      calledAt: ++this.#moment,
      returnedAt: Number.POSITIVE_INFINITY,
    };
    history.push(operation);
    this.operations++;
    return (output, never = false) => {
      if (never) history.splice(history.indexOf(operation), 1);
      else {
        operation.output = output;
        operation.returnedAt = ++this.#moment;
      }
    };
  }

  check(): void {
    for (const [key, history] of this.#histories) {
      mustHold(
        isLinearizable(REGISTER, history),
        'linearizability',
        () => `the history of ${key} is not:\n${history.map((each) => JSON.stringify(each)).join('\n')}`,
      );
    }
  }
}
