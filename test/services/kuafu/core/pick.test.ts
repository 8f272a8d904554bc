import { describe, expect, test } from 'vitest';
import { type Random, seededRandom } from '../../../../services/base/random.ts';
import { type Facts, type PickState, pickInstance, type Rule } from '../../../../services/kuafu/core/pick.ts';
import { hashText, rendezvousScore } from '../../../../services/kuafu/core/rendezvous.ts';

const facts = (given: { tried?: string[]; unwell?: string[]; pending?: Record<string, number> } = {}): Facts => ({
  tried: (address) => given.tried?.includes(address) ?? false,
  well: (address) => !given.unwell?.includes(address),
  pending: (address) => given.pending?.[address] ?? 0,
  nameOf: (address) => address,
});
const begin = (): PickState => ({ turn: 0, current: undefined });
const rules: Rule[] = [{ kind: 'roundRobin' }, { kind: 'leastPending' }, { kind: 'one' }, { kind: 'rendezvous', key: 'k' }];

describe('whatever the rule', () => {
  test.each(rules)('$kind goes where it has not failed, before where it is well, before where it is not', (rule) => {
    const abc = ['a', 'b', 'c'];
    expect(pickInstance(rule, abc, facts({ tried: ['a', 'b'], unwell: ['c'] }), begin())).toEqual({ address: 'c', othersLeft: false });
    expect(pickInstance(rule, abc, facts({ tried: ['a'], unwell: ['b'] }), begin())).toEqual({ address: 'c', othersLeft: true });
    expect(pickInstance(rule, abc, facts({ tried: abc, unwell: ['a', 'c'] }), begin())).toEqual({ address: 'b', othersLeft: false });
    expect(abc).toContain(pickInstance(rule, abc, facts({ tried: abc, unwell: abc }), begin()).address);
  });
});

test('round robin goes round', () => {
  const state = begin();
  const picked = Array.from({ length: 6 }, () => pickInstance({ kind: 'roundRobin' }, ['a', 'b', 'c'], facts(), state).address);
  expect(picked.join('')).toBe('abcabc');
});

test('least pending takes the one that owes fewest, and goes round among equals', () => {
  const state = begin();
  const pick = (pending: Record<string, number>) =>
    pickInstance({ kind: 'leastPending' }, ['a', 'b', 'c'], facts({ pending }), state).address;
  expect(pick({ a: 3, b: 1, c: 2 })).toBe('b');
  expect(new Set([1, 2, 3].map(() => pick({ a: 1, b: 1, c: 1 })))).toEqual(new Set(['a', 'b', 'c']));
});

test('one stays where it is until that fails, and does not go back', () => {
  const state = begin();
  const pick = (given: Parameters<typeof facts>[0] = {}) => pickInstance({ kind: 'one' }, ['a', 'b', 'c'], facts(given), state).address;
  const first = pick();
  expect([pick(), pick(), pick()]).toEqual([first, first, first]);
  const second = pick({ tried: [first] });
  expect(second).not.toBe(first);
  expect([pick(), pick(), pick()]).toEqual([second, second, second]);
  expect(pick({ unwell: [second] })).not.toBe(second);
});

describe('rendezvous (Thaler and Ravishankar 1998)', () => {
  const namesOf = (random: Random, count: number) => Array.from({ length: count }, () => `instance-${random.int(1e9)}`);
  const pick = (key: string, names: string[]) => pickInstance({ kind: 'rendezvous', key }, names, facts(), begin()).address;

  test('is the same for all callers, in whatever order they know the instances, and moves only the keys it must', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = seededRandom(seed);
      const names = namesOf(random, 2 + random.int(12));
      const keys = Array.from({ length: 500 }, (_, i) => `key-${i}-${seed}`);
      const before = new Map(keys.map((key) => [key, pick(key, names)]));
      const shuffled = names.toSorted(() => random.next() - 0.5);
      for (const key of keys) expect(pick(key, shuffled), `seed ${seed}`).toBe(before.get(key));

      const gone = names[random.int(names.length)]!;
      const fewer = names.filter((name) => name !== gone);
      for (const key of keys) if (before.get(key) !== gone) expect(pick(key, fewer), `seed ${seed}`).toBe(before.get(key));

      const more = [...names, `newcomer-${seed}`];
      const moved = keys.map((key) => [before.get(key), pick(key, more)]).filter(([was, is]) => was !== is);
      for (const [, is] of moved) expect(is, `seed ${seed}`).toBe(`newcomer-${seed}`);
    }
  });

  test('gives each instance its share', () => {
    for (const names of [['a', 'b'], ['node-1', 'node-2', 'node-3', 'node-4', 'node-5'], Array.from({ length: 20 }, (_, i) => `${i}`)]) {
      const keys = 20_000;
      const shares = new Map(names.map((name) => [name, 0]));
      for (let i = 0; i < keys; i++) {
        const name = pick(`/a/${i}`, names);
        shares.set(name, shares.get(name)! + 1);
      }
      // Five standard deviations of a fair draw.
      const fair = keys / names.length;
      const off = 5 * Math.sqrt(fair * (1 - 1 / names.length));
      for (const [name, share] of shares) expect(Math.abs(share - fair), `${name} of ${names.length}`).toBeLessThan(off);
    }
  });

  test('scores a name that is its own key like any other', () => {
    const scores = Array.from({ length: 100 }, (_, i) => rendezvousScore(hashText(`n${i}`), `n${i}`));
    expect(new Set(scores).size).toBe(100);
  });
});
