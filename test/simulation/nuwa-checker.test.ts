import { describe, expect, test } from 'vitest';
import { type Random, seededRandom } from '../../services/base/random.ts';
import { isLinearizable, type Model, type Operation } from '../helpers/linearizability.ts';
import { type Input, type Output, REGISTER } from './nuwa/work/registers.ts';

/**
 * The judge of the simulator's histories is judged: by histories of which a person can say what is wrong with them, and by one that tries every order
 * there is, which nobody needs to trust but for its length.
 */
type Step = Operation<Input, Output>;
const NEVER = Number.POSITIVE_INFINITY;

/** An operation from one moment to another; without an output nobody heard how it ended. */
const op = (calledAt: number, returnedAt: number, input: Input, output?: Output): Step => ({
  calledAt,
  returnedAt,
  input,
  ...(output ? { output } : {}),
});
const create = (from: number, to: number, value: string): Step => op(from, to, { do: 'create', value }, { done: true, version: 0 });
const set = (from: number, to: number, value: string, version: number): Step => op(from, to, { do: 'set', value }, { done: true, version });
const get = (from: number, to: number, value?: string, version?: number): Step =>
  op(from, to, { do: 'get' }, value === undefined ? {} : { value, version: version! });

const LINEARIZABLE: [string, Step[]][] = [
  ['of nothing', []],
  ['of one thing after the other', [get(1, 2), create(3, 4, 'a'), get(5, 6, 'a', 0), set(7, 8, 'b', 1), get(9, 10, 'b', 1)]],
  ['in which a read that overlaps a change sees it', [create(1, 2, 'a'), set(3, 10, 'b', 1), get(4, 5, 'b', 1)]],
  ['in which a read that overlaps a change does not see it', [create(1, 2, 'a'), set(3, 10, 'b', 1), get(4, 5, 'a', 0)]],
  [
    'in which overlapping changes happen in another order than they were called',
    [create(1, 2, 'a'), set(3, 9, 'b', 2), set(4, 8, 'c', 1), get(10, 11, 'b', 2)],
  ],
  ['in which a change that nobody heard of happened', [create(1, 2, 'a'), op(3, NEVER, { do: 'set', value: 'b' }), get(5, 6, 'b', 1)]],
  [
    'in which a change that nobody heard of did not happen',
    [create(1, 2, 'a'), op(3, NEVER, { do: 'set', value: 'b' }), get(5, 6, 'a', 0)],
  ],
  [
    'in which a change that nobody heard of happens late',
    [create(1, 2, 'a'), op(3, NEVER, { do: 'set', value: 'b' }), get(5, 6, 'a', 0), get(7, 8, 'b', 1)],
  ],
  [
    'in which the second of two that make one node is refused',
    [create(1, 4, 'a'), op(2, 5, { do: 'create', value: 'b' }, { done: false })],
  ],
  [
    'in which of two that demand one version one is done',
    [
      create(1, 2, 'a'),
      op(3, 6, { do: 'set', value: 'b', version: 0 }, { done: true, version: 1 }),
      op(4, 5, { do: 'set', value: 'c', version: 0 }, { done: false }),
    ],
  ],
];

const NOT: [string, Step[]][] = [
  ['with a stale read: it began after the change had returned', [create(1, 2, 'a'), set(3, 4, 'b', 1), get(5, 6, 'a', 0)]],
  ['with a lost write: it was acknowledged, and nobody sees it ever', [create(1, 2, 'a'), set(3, 4, 'b', 1), set(5, 6, 'c', 1)]],
  ['with a node that was acknowledged and is not there', [create(1, 2, 'a'), get(3, 4)]],
  [
    'with the reads of a split brain: two readers see two values, each to its end',
    [create(1, 2, 'a'), set(3, 9, 'b', 1), set(4, 8, 'c', 1), get(10, 11, 'b', 1), get(10, 11, 'c', 1)],
  ],
  ['with readers that see one change in turn and then not', [create(1, 2, 'a'), set(3, 10, 'b', 1), get(4, 5, 'b', 1), get(6, 7, 'a', 0)]],
  ['with changes that happened against the order of time', [create(1, 2, 'a'), set(3, 4, 'b', 2), set(5, 6, 'c', 1), get(7, 8, 'b', 2)]],
  ['with a value that nobody wrote', [create(1, 2, 'a'), get(3, 4, 'z', 0)]],
  ['with a value seen before it was asked for', [create(1, 2, 'a'), get(3, 4, 'b', 1), set(5, 6, 'b', 1)]],
  ['with a change that is done twice', [create(1, 2, 'a'), set(3, 4, 'b', 1), get(5, 6, 'b', 2)]],
  ['with two that both made one node', [create(1, 4, 'a'), create(2, 5, 'b')]],
  [
    'with two that both had one version',
    [
      create(1, 2, 'a'),
      op(3, 6, { do: 'set', value: 'b', version: 0 }, { done: true, version: 1 }),
      op(4, 5, { do: 'set', value: 'c', version: 0 }, { done: true, version: 1 }),
    ],
  ],
  [
    'with a change that nobody heard of and that is seen, gone and seen again',
    [create(1, 2, 'a'), op(3, NEVER, { do: 'set', value: 'b' }), get(4, 5, 'b', 1), get(6, 7, 'a', 0)],
  ],
  ['with a refusal for which there was no reason', [create(1, 2, 'a'), op(3, 4, { do: 'delete' }, { done: false })]],
];

describe('a history', () => {
  test.each(LINEARIZABLE)('%s is linearizable', (_, history) => {
    expect(isLinearizable(REGISTER, history)).toBe(true);
    expect(anyOrderFits(REGISTER, history)).toBe(true);
  });

  test.each(NOT)('%s is not', (_, history) => {
    expect(isLinearizable(REGISTER, history)).toBe(false);
    expect(anyOrderFits(REGISTER, history)).toBe(false);
  });

  test('of any kind is judged as by one who tries every order', () => {
    const seed = Number(process.env.SEED ?? 1 + Math.floor(Math.random() * 2 ** 30));
    const random = seededRandom(seed);
    const verdicts = { yes: 0, no: 0 };
    for (let round = 0; round < 20_000; round++) {
      const history = randomHistory(random);
      const found = isLinearizable(REGISTER, history);
      const text = (): string => `seed ${seed}, round ${round}:\n${history.map((each) => JSON.stringify(each)).join('\n')}`;
      if (found !== anyOrderFits(REGISTER, history)) expect.fail(`it is judged ${found}, wrongly; ${text()}`);
      verdicts[found ? 'yes' : 'no']++;
    }
    // Judging all alike would be found out.
    expect(Math.min(verdicts.yes, verdicts.no)).toBeGreaterThan(2_000);
  });
});

/** What is left may happen in any order in which nothing comes before what had returned when it was called. Tries all. */
function anyOrderFits<State>(model: Model<State, Input, Output>, left: readonly Step[], state: State = model.initial): boolean {
  if (left.every(({ output }) => output === undefined)) return true;
  return left.some((first) => {
    if (left.some((other) => other !== first && other.returnedAt < first.calledAt)) return false;
    const next = model.step(state, first.input, first.output);
    const others = left.filter((other) => other !== first);
    return next !== undefined && anyOrderFits(model, others, next);
  });
}

/** Up to seven operations that overlap, as one node in one place would answer them; then, often, an answer is another than it was. */
function randomHistory(random: Random): Step[] {
  const count = 2 + random.int(6);
  const steps: Step[] = [];
  let state = REGISTER.initial;
  for (let i = 0; i < count; i++) {
    const happensAt = 10 * (i + 1);
    const input = randomInput(random, i);
    const output = outputOf(state, input);
    state = REGISTER.step(state, input, output)!;
    const heard = random.int(6) > 0;
    const calledAt = happensAt - 1 - random.int(25);
    const returnedAt = heard ? happensAt + 1 + random.int(25) : NEVER;
    steps.push(op(calledAt, returnedAt, input, heard ? output : undefined));
  }
  if (random.int(3) === 0) return steps;
  const wrong = random.int(steps.length);
  const { input, output, calledAt, returnedAt } = steps[wrong]!;
  if (output) steps[wrong] = op(calledAt, returnedAt, input, outputOf(randomState(random), input));
  return steps;
}

function randomInput(random: Random, i: number): Input {
  const value = 'abcdefg'[i]!;
  const guard = random.int(2) === 0 ? {} : { version: random.int(3) };
  switch (random.int(6)) {
    case 0:
    case 1:
      return { do: 'create', value };
    case 2:
      return { do: 'delete', ...guard };
    case 3:
      return { do: 'set', value, ...guard };
    default:
      return { do: 'get' };
  }
}

const randomState = (random: Random): typeof REGISTER.initial =>
  random.int(3) === 0 ? {} : { node: { value: 'abcdefg'[random.int(7)]!, version: random.int(3) } };

/** As the node would answer, said once more and apart from the model. */
function outputOf({ node }: typeof REGISTER.initial, input: Input): Output {
  if (input.do === 'get') return node ? { ...node } : {};
  if (input.do === 'create') return node ? { done: false } : { done: true, version: 0 };
  if (!node || (input.version !== undefined && input.version !== node.version)) return { done: false };
  return input.do === 'set' ? { done: true, version: node.version + 1 } : { done: true };
}
