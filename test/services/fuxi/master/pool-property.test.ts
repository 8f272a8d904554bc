import { expect, test } from 'vitest';
import { seededRandom } from '../../../../services/base/random.ts';
import { PoolWorld } from './pool-world.ts';

/**
 * Thousands of schedules of late, repeated and reordered messages, dying Tubos, TaskMasters and FuxiMasters. Each failure names its seed.
 */
const SEEDS = 150;
const STEPS = 300;

function assertSafe(world: PoolWorld): void {
  const owner = new Map<string, string>();
  const usedCpu = new Map<string, number>();
  for (const { container, cpu, by } of world.held()) {
    const other = owner.get(container.id);
    if (other) throw new Error(`${container.id} is in the hands of ${other} and ${by}`);
    owner.set(container.id, by);
    usedCpu.set(container.node, (usedCpu.get(container.node) ?? 0) + cpu);
  }
  for (const [node, used] of usedCpu)
    if (used > world.cpuOf(node) + 1e-9) throw new Error(`${node} has cpu ${world.cpuOf(node)} and ${used} of it is in use`);
}

function assertBooksAgree(world: PoolWorld): void {
  const truth = world.held().map(({ container, by }) => `${container.id} ${by}`);
  const books = [...world.pool.containers.values()].map(({ id, requester }) => `${id} ${requester.split(' ')[0]}`);
  expect(books.sort()).toEqual(truth.sort());
}

function underSeed(seed: number, check: (world: PoolWorld) => void): void {
  const world = new PoolWorld(seededRandom(seed));
  try {
    check(world);
  } catch (error) {
    throw new Error(`seed ${seed}: ${String(error)}\n${world.trace.slice(-40).join('\n')}`, { cause: error });
  }
}

test('no node is over-committed and no container is in two hands, whatever is late, repeated or dies', () => {
  let restarts = 0;
  for (let seed = 0; seed < SEEDS; seed++)
    underSeed(seed, (world) => {
      for (let step = 0; step < STEPS; step++) {
        world.step();
        assertSafe(world);
      }
      restarts += world.pool.epoch - 1;
    });
  expect(restarts).toBeGreaterThan(SEEDS);
});

test('once messages arrive, every equal is served, all work gets done and the books agree with what TaskMasters hold', () => {
  for (let seed = 0; seed < SEEDS / 2; seed++)
    underSeed(seed, (world) => {
      for (let step = 0; step < STEPS; step++) world.step();
      world.settle();
      assertSafe(world);
      assertBooksAgree(world);
    });
});

test('after a restart in the middle of work the books are again what TaskMasters hold', () => {
  let held = 0;
  for (let seed = 0; seed < SEEDS / 2; seed++)
    underSeed(seed, (world) => {
      for (let step = 0; step < STEPS; step++) world.step();
      world.quieten();
      world.restartFuxiMaster();
      world.quieten();
      expect(world.pool.recovering).toBeUndefined();
      assertSafe(world);
      assertBooksAgree(world);
      held += world.held().length;
    });
  expect(held).toBeGreaterThan(SEEDS);
});

test('the same events give the same effects', () => {
  const run = () => {
    const world = new PoolWorld(seededRandom(7));
    for (let step = 0; step < 1_000; step++) world.step();
    return world.trace;
  };
  expect(run()).toEqual(run());
});
