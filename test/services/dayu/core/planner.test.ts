import { describe, expect, it } from 'vitest';
import { type Random, seededRandom } from '../../../../services/base/random.ts';
import type { PlanFacts, Rollout } from '../../../../services/dayu/contract.ts';
import { compareNames, plan } from '../../../../services/dayu/core/planner.ts';
import { parseRollout, resolveCount } from '../../../../services/dayu/core/rollout.ts';
import { RolloutState } from '../../../../services/dayu/core/rollout-state.ts';
import { deploymentOf, factsOf } from '../../../helpers/dayu-workflows.ts';

const RACKS = { 'rack-a': ['node-1', 'node-2', 'node-10'], 'rack-b': ['node-3', 'node-4'] };
const rollout = (more: object = {}): Rollout => {
  const parsed = parseRollout({ application: 'hello', version: '2.0.0', ...more });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.rollout;
};
const shape = (facts: PlanFacts, more: object = {}) =>
  plan(rollout(more), facts).waves.map(({ kind, rack, steps }) => `${kind} ${rack}: ${steps.map(({ node }) => node).join(' ')}`);
const facts = factsOf(RACKS, { from: '1.0.0', to: '2.0.0' });

describe('plan', () => {
  it('puts the canary first, then finishes one rack before the next', () => {
    expect(shape(facts)).toEqual(['canary rack-a: node-1', 'wave rack-a: node-2 node-10', 'wave rack-b: node-3 node-4']);
  });

  it('keeps waves small when told so, by number or by share of all targets', () => {
    expect(shape(facts, { waveSize: 1, canary: 0 })).toHaveLength(5);
    expect(shape(facts, { waveSize: '40%', canary: 0 })).toEqual([
      'wave rack-a: node-1 node-2',
      'wave rack-a: node-10',
      'wave rack-b: node-3 node-4',
    ]);
  });

  it('splits a canary that is larger than a rack', () => {
    expect(shape(facts, { canary: 4 })).toEqual(['canary rack-a: node-1 node-2 node-10', 'canary rack-b: node-3', 'wave rack-b: node-4']);
  });

  it('leaves alone what runs the same version with the same configuration', () => {
    const mixed = { ...facts, placements: facts.placements.map((each) => (each.node === 'node-1' ? { ...each, version: '2.0.0' } : each)) };
    expect(plan(rollout(), mixed)).toMatchObject({
      unchanged: ['node-1'],
      waves: [{ kind: 'canary', steps: [{ node: 'node-2' }] }, {}, {}],
    });
    expect(plan(rollout(), { ...mixed, deployment: deploymentOf('2.0.0', 7) }).unchanged).toEqual([]);
    // Where it was ordered and never seen healthy it is done again.
    const halfWay = mixed.placements.map((each) => ({ ...each, settled: false }));
    expect(plan(rollout(), { ...mixed, placements: halfWay }).unchanged).toEqual([]);
  });

  it('goes where the application runs, to all nodes when it runs nowhere, and where it is told', () => {
    const two = { ...facts, placements: facts.placements.slice(0, 2) };
    expect(shape(two)).toEqual(['canary rack-a: node-1', 'wave rack-a: node-2']);
    expect(
      shape(factsOf(RACKS, { to: '2.0.0' }))
        .join(' ')
        .match(/node-/g),
    ).toHaveLength(5);
    expect(shape(two, { targets: { racks: ['rack-b'], nodes: ['node-10'] } })).toEqual([
      'canary rack-a: node-10',
      'wave rack-b: node-3 node-4',
    ]);
  });

  it.each([
    [{ targets: { nodes: ['node-9'] } }, facts, /node-9 is not there; there are node-1, node-2, node-3, node-4, node-10$/],
    [{ targets: { racks: ['rack-z'] } }, facts, /no node is in rack rack-z/],
    [{}, { ...facts, nodes: facts.nodes.slice(1) }, /hello runs on node-1, and node-1 is not there now: name the nodes/],
    [{}, { ...facts, nodes: [], placements: [] }, /there is no node to run it on; there are none/],
  ])('refuses targets that are not there: %j', (more, there, message) => {
    expect(() => plan(rollout(more), there)).toThrow(
      expect.objectContaining({ code: 'UnknownNode', message: expect.stringMatching(message) }),
    );
  });

  it('tells for each wave why it is as it is', () => {
    const [canary, wave] = plan(rollout(), facts).waves;
    expect(canary!.because).toBe('1 of 5 targets first, to see whether 2.0.0 is well before others get it');
    expect(wave!.because).toBe('2 of 5 targets are left in rack-a; a wave has at most 3 nodes (50% of 5), all of one rack');
  });
});

describe('every plan', () => {
  const SEEDS = Array.from({ length: 300 }, (_, i) => i + 1);

  it.each(SEEDS)('holds its invariants, and so does whoever carries it out (seed %i)', (seed) => {
    const random = seededRandom(seed);
    const world = randomWorld(random);
    const made = plan(world.rollout, world.facts);
    const racks = new Map(world.facts.nodes.map(({ id, rack }) => [id, rack]));
    const targets = racks.size;
    const steps = made.waves.flatMap((wave) => wave.steps.map(({ node }) => node));

    expect([...steps, ...made.unchanged].sort()).toEqual([...racks.keys()].sort());
    for (const wave of made.waves) {
      expect(new Set(wave.steps.map(({ node }) => racks.get(node)))).toEqual(new Set([wave.rack]));
      expect(wave.steps.length).toBeGreaterThan(0);
      const most = wave.kind === 'canary' ? world.rollout.canary : resolveCount(world.rollout.waveSize, targets, 'up');
      expect(wave.steps.length).toBeLessThanOrEqual(most);
      expect(wave.because).not.toBe('');
    }
    const kinds = made.waves.map(({ kind }) => kind);
    expect(kinds).toEqual([...kinds].sort()); // 'canary' before 'wave'
    const canaries = made.waves.filter(({ kind }) => kind === 'canary').flatMap((wave) => wave.steps);
    expect(canaries).toHaveLength(Math.min(world.rollout.canary, steps.length));
    // One rack is finished before the next begins.
    const order = made.waves.filter(({ kind }) => kind === 'wave').map(({ rack }) => rack);
    expect(order.filter((rack, i) => rack !== order[i - 1])).toHaveLength(new Set(order).size);
    expect(made.maxUnavailable).toBeGreaterThanOrEqual(1);
    expect(made.maxUnavailable).toBeLessThanOrEqual(targets);
    carryOut(world.rollout, made, random);
  });

  /** Deployments end in any order, some fail and are tried again: never more than `maxUnavailable` nodes are out of service, and all end healthy. */
  function carryOut(rollout: Rollout, made: ReturnType<typeof plan>, random: Random): void {
    const state = new RolloutState(rollout, 0);
    state.planned(made);
    for (let wave = 1; wave <= made.waves.length; wave++) {
      state.beginWave(wave);
      state.enter('rolling', 0);
      const running: string[] = [];
      while (!state.settled(wave) || state.gateFailure(wave)) {
        if (running.length === 0 && state.gateFailure(wave)) {
          state.holdAt(state.gateFailure(wave)!);
          expect(state.next(wave)).toBeUndefined();
          state.resume();
        }
        const node = state.next(wave);
        if (node !== undefined && (running.length === 0 || random.next() < 0.7)) {
          state.becomeDeploying(node);
          running.push(node);
        } else if (running.length > 0) {
          const [ended] = running.splice(random.int(running.length), 1);
          if (random.next() < 0.8) state.becomeHealthy(ended!);
          else state.becomeFailed(ended!, 'no luck');
        }
        expect(state.outOfService().length).toBeLessThanOrEqual(made.maxUnavailable);
      }
      state.enter('baking', 0);
    }
    expect(Object.values(state.progress().nodes).every((each) => each.state === 'healthy')).toBe(true);
  }
});

function randomWorld(random: Random): { rollout: Rollout; facts: PlanFacts } {
  const racks = 1 + random.int(4);
  const nodes = Array.from({ length: 1 + random.int(24) }, (_, i) => ({ id: `node-${i + 1}`, rack: `rack-${random.int(racks)}` }));
  const some = nodes.filter(() => random.next() < 0.5);
  const count = (): number | string => (random.next() < 0.5 ? 1 + random.int(8) : `${1 + random.int(100)}%`);
  return {
    rollout: rollout({ canary: random.int(5), waveSize: count(), maxUnavailable: count(), targets: { nodes: nodes.map(({ id }) => id) } }),
    facts: {
      nodes,
      placements: some.map(({ id }) => ({
        node: id,
        version: `${1 + random.int(2)}.0.0`,
        configuration: random.int(2),
        sinceMs: 0,
        why: '',
      })),
      deployment: deploymentOf('2.0.0'),
      earlier: [],
    },
  };
}

describe('resolveCount', () => {
  it.each([
    ['50%', 3, 'up', 2],
    ['50%', 3, 'down', 1],
    ['1%', 4, 'down', 1],
    ['100%', 4, 'down', 4],
    [9, 4, 'up', 4],
    [2, 4, 'down', 2],
  ] as const)('%s of %i, rounded %s, is %i', (count, total, round, expected) => {
    expect(resolveCount(count, total, round)).toBe(expected);
  });
});

describe('compareNames', () => {
  it('orders as people count', () => {
    expect(['node-10', 'node-2', 'a', 'node', 'node-1', 'node-2a'].sort(compareNames)).toEqual([
      'a',
      'node',
      'node-1',
      'node-2',
      'node-2a',
      'node-10',
    ]);
  });
});
