/**
 * Whether a history of operations on one object is linearizable: whether each could have happened at one moment between its call and its
 * return, so that all replies fit a model that does one after the other. The search is that of Wing and Gong (1993) with Lowe's memory of
 * what was tried ("Testing for linearizability", 2017). An operation without a reply may have happened at any moment after its call, or never.
 */
export interface Operation<Input, Output> {
  readonly input: Input;
  /** Absent: nobody heard how it ended. */
  readonly output?: Output;
  readonly calledAt: number;
  /** Infinity where there is no output. */
  readonly returnedAt: number;
}

export interface Model<State, Input, Output> {
  readonly initial: State;
  /** The states that may follow, or undefined when this output does not fit. An absent output fits whatever happens. */
  step(state: State, input: Input, output: Output | undefined): State | undefined;
  /** Equal texts for equal states. */
  key(state: State): string;
}

interface Node<Input, Output> {
  operation: Operation<Input, Output>;
  id: number;
  isCall: boolean;
  /** Of a call: its return. */
  match: Node<Input, Output> | undefined;
  previous: Node<Input, Output> | undefined;
  next: Node<Input, Output> | undefined;
}

export function isLinearizable<State, Input, Output>(
  model: Model<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
): boolean {
  const head = linked(operations);
  const done = new Bits(operations.length);
  const seen = new Set<string>();
  const stack: { node: Node<Input, Output>; state: State }[] = [];
  /** Those with a reply must all be placed; the others may be left out. */
  let owed = operations.filter(({ output }) => output !== undefined).length;
  let state = model.initial;
  let at = head.next;
  for (;;) {
    if (owed === 0) return true;
    if (at?.isCall) {
      const { operation, id } = at;
      const next = model.step(state, operation.input, operation.output);
      if (next !== undefined) {
        done.set(id);
        const key = `${done.text()} ${model.key(next)}`;
        if (!seen.has(key)) {
          seen.add(key);
          stack.push({ node: at, state });
          if (operation.output !== undefined) owed--;
          state = next;
          lift(at);
          at = head.next;
          continue;
        }
        done.clear(id);
      }
      at = at.next;
      continue;
    }
    // A return whose call was not placed, or the end: what was placed last was wrong.
    const last = stack.pop();
    if (!last) return false;
    state = last.state;
    done.clear(last.node.id);
    if (last.node.operation.output !== undefined) owed++;
    unlift(last.node);
    at = last.node.next;
  }
}

function linked<Input, Output>(operations: readonly Operation<Input, Output>[]): Node<Input, Output> {
  const nodes: { at: number; node: Node<Input, Output> }[] = [];
  operations.forEach((operation, id) => {
    const back: Node<Input, Output> = { operation, id, isCall: false, match: undefined, previous: undefined, next: undefined };
    const call: Node<Input, Output> = { operation, id, isCall: true, match: back, previous: undefined, next: undefined };
    nodes.push({ at: operation.calledAt, node: call });
    nodes.push({ at: operation.returnedAt, node: back });
  });
  nodes.sort((a, b) => (a.at === b.at ? Number(b.node.isCall) - Number(a.node.isCall) : a.at - b.at));
  const head = { isCall: false, next: undefined } as unknown as Node<Input, Output>;
  let last = head;
  for (const { node } of nodes) {
    last.next = node;
    node.previous = last;
    last = node;
  }
  return head;
}

function lift<Input, Output>(call: Node<Input, Output>): void {
  unhook(call);
  unhook(call.match!);
}

function unhook<Input, Output>(node: Node<Input, Output>): void {
  node.previous!.next = node.next;
  if (node.next) node.next.previous = node.previous;
}

function unlift<Input, Output>(call: Node<Input, Output>): void {
  hook(call.match!);
  hook(call);
}

function hook<Input, Output>(node: Node<Input, Output>): void {
  node.previous!.next = node;
  if (node.next) node.next.previous = node;
}

class Bits {
  readonly #words: Int32Array;

  constructor(bits: number) {
    this.#words = new Int32Array((bits >> 5) + 1);
  }

  set(bit: number): void {
    this.#words[bit >> 5]! |= 1 << (bit & 31);
  }

  clear(bit: number): void {
    this.#words[bit >> 5]! &= ~(1 << (bit & 31));
  }

  text(): string {
    return this.#words.join();
  }
}
