import type { NuwaNode } from '../../../../../services/nuwa/contract.ts';
import { apply } from '../../../../../services/nuwa/core/tree/apply.ts';
import type { Applied, Change, Command, Create, RequestId, Transaction } from '../../../../../services/nuwa/core/tree/command.ts';
import { viewNode } from '../../../../../services/nuwa/core/tree/read.ts';
import { newState, nodeAt, type TreeState } from '../../../../../services/nuwa/core/tree/state.ts';

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A tree with sessions `s1` and `s2`, to which commands are applied in order; time is 1000 ms and 1 more with each command. */
export class TreeScript {
  readonly state: TreeState = newState();
  readonly history: Command[] = [];
  #requests = 0;

  constructor() {
    this.apply({ kind: 'openSession', session: 's1', ttlMs: 5_000, creator: 'one' });
    this.apply({ kind: 'openSession', session: 's2', ttlMs: 5_000, creator: 'two' });
  }

  apply(command: Command): Applied {
    this.history.push(command);
    return replay(this.state, command);
  }

  write(change: Change | Transaction, session = 's1', by: Partial<RequestId> = {}): Applied {
    const request = ++this.#requests;
    return this.apply({ ...change, session, request, settled: request, ...by });
  }

  create(path: string, options: Partial<Create> = {}, session = 's1'): Applied {
    return this.write({ kind: 'create', path, value: bytes(''), ...options }, session);
  }
}

/** The next command of a log, with a time that follows from its index alone. */
export function replay(state: TreeState, command: Command): Applied {
  const index = state.index + 1;
  return apply(state, command, { index, nowMs: 1_000 + index });
}

/** The node as its readers see it. */
export function seen(state: TreeState, path: string): NuwaNode | undefined {
  const node = nodeAt(state, path);
  if (!node) return undefined;
  const view = viewNode(path, node);
  return { ...view, value: new Uint8Array(view.value) };
}

/** A reply in one word: `done`, or the code of the refusal. */
export function outcome({ reply }: Applied): string {
  return reply.kind === 'done' ? 'done' : reply.code;
}

/** Events as `kind path@revision`. */
export function told({ events }: Applied): string[] {
  return events.map(({ kind, path, revision }) => `${kind} ${path}@${revision}`);
}
