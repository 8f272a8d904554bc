import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../../../services/base/random.ts';
import { hasMajority, majorityOf, reachedByMajority } from '../../../../../services/nuwa/core/raft/quorum.ts';

const VOTERS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'];

describe('majorities (section 4.1)', () => {
  test.each([
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 3],
    [5, 3],
    [7, 4],
  ])('of %i voters are %i', (voters, majority) => expect(majorityOf(voters)).toBe(majority));

  test('of a group and of the same group with one server more always share a server', () => {
    for (let voters = 1; voters < 9; voters++) expect(majorityOf(voters) + majorityOf(voters + 1)).toBeGreaterThan(voters + 1);
  });

  test('a group without voters has none', () => {
    expect(hasMajority([], () => true)).toBe(false);
    expect(reachedByMajority([], () => 7)).toBe(0);
  });
});

test.each([
  [[7], 7],
  [[7, 3], 3],
  [[7, 3, 5], 5],
  [[0, 0, 9], 0],
  [[9, 9, 0, 0], 0],
  [[1, 2, 3, 4, 5], 3],
])('of the values %j a majority has reached %i', (values, reached) => {
  expect(reachedByMajority(VOTERS.slice(0, values.length), (id) => values[VOTERS.indexOf(id)]!)).toBe(reached);
});

test('what a majority has reached is the largest value that a majority has (random values)', () => {
  for (let seed = 1; seed <= 500; seed++) {
    const random = seededRandom(seed);
    const voters = VOTERS.slice(0, 1 + random.int(VOTERS.length));
    const values = new Map(voters.map((id) => [id, random.int(6)]));
    const reached = reachedByMajority(voters, (id) => values.get(id)!);
    const has = (value: number): boolean => hasMajority(voters, (id) => values.get(id)! >= value);
    expect([has(reached), has(reached + 1)], `seed ${seed}`).toEqual([true, false]);
  }
});
