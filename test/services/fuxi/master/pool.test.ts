import { describe, expect, test } from 'vitest';
import { apply, type PoolEffect } from '../../../../services/fuxi/core/pool.ts';
import { containerId, containerOrigin } from '../../../../services/fuxi/core/pool-container.ts';
import { PASSED_OVER_MAX, schedule } from '../../../../services/fuxi/core/pool-schedule.ts';
import { createPool } from '../../../../services/fuxi/core/pool-state.ts';
import { waiting } from '../../../../services/fuxi/core/pool-why.ts';
import { ask, exchangeOf, grantedNodes, grants, nodeOf, poolOf } from './pool-builders.ts';

const numbers = (effects: PoolEffect[]) => effects.flatMap((effect) => (effect.kind === 'grant' ? [effect.signal.number] : []));
const lost = (effects: PoolEffect[]) => effects.flatMap((effect) => (effect.kind === 'containersLost' ? [effect.signal] : []));

describe('who is served', () => {
  test('a higher priority goes first', () => {
    const pool = poolOf({ 'node-1': 1 });
    ask(pool, 'early', { priority: 5 });
    ask(pool, 'urgent', { priority: 6 });
    expect(grantedNodes(pool)).toEqual({ urgent: ['node-1'] });
  });

  test('among equals the first to come is first', () => {
    const pool = poolOf({ 'node-1': 1 });
    ask(pool, 'first');
    ask(pool, 'second');
    expect(grantedNodes(pool)).toEqual({ first: ['node-1'] });
  });

  test('equals take turns, one container a turn', () => {
    const pool = poolOf({ 'node-1': 4 });
    ask(pool, 'a', { want: 100 });
    ask(pool, 'b', { want: 100 });
    expect(grantedNodes(pool)).toEqual({ a: ['node-1', 'node-1'], b: ['node-1', 'node-1'] });
  });

  test('what comes free goes to the one whose last turn is longest ago', () => {
    const pool = poolOf({ 'node-1': 2 });
    ask(pool, 'a', { want: 100 });
    ask(pool, 'b', { want: 100 });
    const { a, b } = grants(schedule(pool));
    ask(pool, 'b', { want: 100, sequence: 2, grantSeen: 1 });
    expect(b).toHaveLength(1);
    expect(grantedNodes(pool)).toEqual({ a: ['node-1'] });
    ask(pool, 'a', { want: 100, sequence: 2, holding: a!, grantSeen: 2 });
    expect(grantedNodes(pool)).toEqual({ b: ['node-1'] });
  });

  test('a node that is leaving gets no more, keeps what it gave, and is no hope for those who wait', () => {
    const pool = poolOf({ 'node-1': 2, 'node-2': 1 });
    ask(pool, 'a', { want: 2 });
    expect(Object.values(grantedNodes(pool)).flat().sort()).toEqual(['node-1', 'node-2']);
    apply(pool, { kind: 'nodeUp', node: nodeOf('node-1', 2, { leaving: true }) });
    ask(pool, 'b');
    expect(grantedNodes(pool)).toEqual({});
    expect(pool.containers.size).toBe(2);
    expect(waiting(pool)[0]!.why).not.toContain('node-1');
    const effects = apply(pool, { kind: 'nodeDown', node: 'node-1', reason: 'it left' });
    expect(lost(effects)).toEqual([{ containers: [expect.stringContaining('node-1')], reason: 'it left' }]);
  });

  test('a request that fits nowhere now does not stop smaller ones behind it', () => {
    const pool = poolOf({ 'node-1': 2 });
    ask(pool, 'half');
    schedule(pool);
    ask(pool, 'large', { resources: { cpu: 2, memoryMiB: 1, virtual: {} } });
    ask(pool, 'small');
    expect(grantedNodes(pool)).toEqual({ small: ['node-1'] });
  });

  test('but small ones cannot starve it: after a while a node is kept clear', () => {
    const pool = poolOf({ 'node-1': 2 });
    ask(pool, 'other');
    schedule(pool);
    ask(pool, 'large', { resources: { cpu: 2, memoryMiB: 1, virtual: {} } });
    let served = 0;
    for (let round = 0; round < 2 * PASSED_OVER_MAX; round++) {
      ask(pool, `small-${round}`);
      if (grantedNodes(pool)[`small-${round}`]) served++;
      apply(pool, { kind: 'gone', taskMaster: { taskWorkflowId: `small-${round}`, taskRunId: `small-${round}-run` } });
    }
    expect(served).toBe(PASSED_OVER_MAX);
    ask(pool, 'other', { sequence: 2, want: 0 });
    expect(grantedNodes(pool)).toEqual({ large: ['node-1'] });
  });
});

describe('which node it gets', () => {
  test('one that its instances prefer', () => {
    const pool = poolOf({ 'node-1': 8, 'node-2': 2 });
    ask(pool, 'a', { prefer: { 'node-2': 1 } });
    expect(grantedNodes(pool)).toEqual({ a: ['node-2'] });
  });

  test('not more containers there than instances that prefer it', () => {
    const pool = poolOf({ 'node-1': 8, 'node-2': 4 });
    ask(pool, 'a', { want: 3, prefer: { 'node-2': 1 } });
    expect(grantedNodes(pool)).toEqual({ a: ['node-2', 'node-1', 'node-1'] });
  });

  test('else the emptiest, so that a task spreads', () => {
    const pool = poolOf({ 'node-1': 4, 'node-2': 4, 'node-3': 2 });
    ask(pool, 'a', { want: 5 });
    expect(grantedNodes(pool)).toEqual({ a: ['node-1', 'node-2', 'node-3', 'node-1', 'node-2'] });
  });

  test('never one that it avoids', () => {
    const pool = poolOf({ 'node-1': 8, 'node-2': 1 });
    ask(pool, 'a', { want: 3, avoid: ['node-1'], prefer: { 'node-1': 3 } });
    expect(grantedNodes(pool)).toEqual({ a: ['node-2'] });
  });

  test.each([
    ['cpu', { cpu: 2.5, memoryMiB: 1, virtual: {} }, 1],
    ['memory', { cpu: 0.1, memoryMiB: 1500, virtual: {} }, 2],
    ['a virtual resource', { cpu: 0.1, memoryMiB: 1, virtual: { gpu: 1 } }, 3],
    ['a virtual resource that no node has', { cpu: 0.1, memoryMiB: 1, virtual: { fpga: 1 } }, 0],
  ])('as many as fit by %s', (_dimension, resources, count) => {
    const pool = poolOf({});
    apply(pool, { kind: 'nodeUp', node: nodeOf('node-1', 4, { capacity: { cpu: 4, memoryMiB: 3000, virtual: { gpu: 3 } } }) });
    ask(pool, 'a', { want: 10, resources });
    expect(grantedNodes(pool).a?.length ?? 0).toBe(count);
  });

  test('ten tenths of a cpu fit on one', () => {
    const pool = poolOf({ 'node-1': 1 });
    ask(pool, 'a', { want: 11, resources: { cpu: 0.1, memoryMiB: 1, virtual: {} } });
    expect(grantedNodes(pool).a).toHaveLength(10);
  });
});

describe('what is held', () => {
  test('a grant on its way counts, so that it is not made twice', () => {
    const pool = poolOf({ 'node-1': 8 });
    ask(pool, 'a', { want: 2 });
    schedule(pool);
    ask(pool, 'a', { want: 2, sequence: 2 });
    expect(schedule(pool)).toEqual([]);
  });

  test('a container not listed any more, of a grant that was seen, was given back', () => {
    const pool = poolOf({ 'node-1': 1 });
    ask(pool, 'a');
    const [number] = numbers(schedule(pool));
    ask(pool, 'b', { priority: 6 });
    ask(pool, 'a', { sequence: 2, want: 1, grantSeen: number! - 1 });
    expect(schedule(pool)).toEqual([]);
    ask(pool, 'a', { sequence: 3, want: 1, grantSeen: number! });
    expect(grantedNodes(pool)).toEqual({ b: ['node-1'] });
  });

  test('wanting nothing gives back everything, also what is on its way', () => {
    const pool = poolOf({ 'node-1': 2 });
    ask(pool, 'a', { want: 2 });
    schedule(pool);
    ask(pool, 'b', { want: 2 });
    ask(pool, 'a', { sequence: 2, want: 0 });
    expect(grantedNodes(pool)).toEqual({ b: ['node-1', 'node-1'] });
  });

  test('a container that was taken back cannot be claimed again', () => {
    const pool = poolOf({ 'node-1': 1 });
    ask(pool, 'a');
    const held = grants(schedule(pool)).a!;
    ask(pool, 'a', { sequence: 2, want: 0 });
    expect(lost(ask(pool, 'a', { sequence: 3, holding: held }))).toEqual([
      { containers: [held[0]!.id], reason: `${held[0]!.id} was taken back` },
    ]);
  });

  test('an exchange that comes late or twice changes nothing', () => {
    const pool = poolOf({ 'node-1': 4 });
    ask(pool, 'a', { sequence: 7, want: 1 });
    schedule(pool);
    ask(pool, 'a', { sequence: 6, want: 4 });
    ask(pool, 'a', { sequence: 7, want: 4 });
    expect(schedule(pool)).toEqual([]);
  });

  test('a TaskMaster that has ended holds nothing', () => {
    const pool = poolOf({ 'node-1': 1 });
    ask(pool, 'a');
    schedule(pool);
    ask(pool, 'b');
    apply(pool, { kind: 'gone', taskMaster: { taskWorkflowId: 'a', taskRunId: 'a-run' } });
    expect(grantedNodes(pool)).toEqual({ b: ['node-1'] });
  });

  test('grants of one TaskMaster are numbered without gaps, one number for all containers of a step', () => {
    const pool = poolOf({ 'node-1': 2 });
    ask(pool, 'a', { want: 2 });
    expect(numbers(schedule(pool))).toEqual([1]);
    apply(pool, { kind: 'nodeUp', node: nodeOf('node-2', 1) });
    ask(pool, 'a', { sequence: 2, want: 3 });
    expect(numbers(schedule(pool))).toEqual([2]);
  });
});

describe('when a node goes', () => {
  test('its containers are lost, one message for each TaskMaster', () => {
    const pool = poolOf({ 'node-1': 3 });
    ask(pool, 'a', { want: 2 });
    ask(pool, 'b', { want: 1 });
    const { a, b } = grants(schedule(pool));
    const effects = apply(pool, { kind: 'nodeDown', node: 'node-1', reason: 'node-1 is gone' });
    expect(effects.map((effect) => effect.to.taskWorkflowId)).toEqual(['a', 'b']);
    expect(lost(effects).map((signal) => signal.containers)).toEqual([a!.map(({ id }) => id), b!.map(({ id }) => id)]);
  });

  test('a Tubo that started anew has lost them too, and its node has room again', () => {
    const pool = poolOf({ 'node-1': 1 });
    ask(pool, 'a');
    schedule(pool);
    const effects = apply(pool, { kind: 'nodeUp', node: nodeOf('node-1', 1, { incarnation: '2' }) });
    expect(lost(effects)[0]?.reason).toBe('the Tubo of node-1 started anew');
    expect(grantedNodes(pool)).toEqual({ a: ['node-1'] });
  });

  test('new figures of the same Tubo change the room only', () => {
    const pool = poolOf({ 'node-1': 1 });
    ask(pool, 'a', { want: 2 });
    schedule(pool);
    expect(apply(pool, { kind: 'nodeUp', node: nodeOf('node-1', 2) })).toEqual([]);
    expect(grantedNodes(pool)).toEqual({ a: ['node-1'] });
  });
});

describe('after a restart', () => {
  const mine = (incarnation: string, epoch: number) => ({ id: containerId({ node: 'node-1', incarnation, epoch }, 1), node: 'node-1' });

  test('nothing is granted until all that run have told what they hold', () => {
    const pool = createPool(2);
    apply(pool, { kind: 'nodeUp', node: nodeOf('node-1', 2) });
    apply(pool, { kind: 'expect', taskMasters: [exchangeOf('a'), exchangeOf('b')] });
    ask(pool, 'a', { epoch: '2', want: 2 });
    expect(schedule(pool)).toEqual([]);
    ask(pool, 'b', { epoch: '2', want: 1, holding: [mine('1', 1)] });
    expect(grantedNodes(pool)).toEqual({ a: ['node-1'] });
  });

  test('words from before the resync are taken down but do not count as told', () => {
    const pool = createPool(2);
    apply(pool, { kind: 'nodeUp', node: nodeOf('node-1', 2) });
    ask(pool, 'a', { want: 2 });
    apply(pool, { kind: 'expect', taskMasters: [exchangeOf('a')] });
    expect(schedule(pool)).toEqual([]);
    ask(pool, 'a', { sequence: 2, want: 2 });
    expect(schedule(pool)).toEqual([]);
    ask(pool, 'a', { sequence: 3, epoch: '2', want: 2, holding: [mine('1', 1)] });
    expect(grantedNodes(pool)).toEqual({ a: ['node-1'] });
  });

  test.each([
    ['one that has ended', { kind: 'gone', taskMaster: exchangeOf('b') }],
    ['one that is silent too long', { kind: 'stopExpecting' }],
  ] as const)('%s is not waited for', (_what, event) => {
    const pool = createPool(2);
    apply(pool, { kind: 'nodeUp', node: nodeOf('node-1', 1) });
    apply(pool, { kind: 'expect', taskMasters: [exchangeOf('a'), exchangeOf('b')] });
    ask(pool, 'a', { epoch: '2' });
    expect(schedule(pool)).toEqual([]);
    apply(pool, event);
    expect(grantedNodes(pool)).toEqual({ a: ['node-1'] });
  });

  test('when none runs it grants at once', () => {
    const pool = createPool(2);
    apply(pool, { kind: 'nodeUp', node: nodeOf('node-1', 1) });
    apply(pool, { kind: 'expect', taskMasters: [] });
    ask(pool, 'a');
    expect(grantedNodes(pool)).toEqual({ a: ['node-1'] });
  });

  test.each([
    ['is adopted when its Tubo still lives', mine('1', 1), []],
    ['is lost when its Tubo started anew meanwhile', mine('0', 1), ['the Tubo of node-1 started anew']],
    ['is lost when its node is gone', { id: 'node-9.i1.e1.1', node: 'node-9' }, ['node-9 is gone']],
  ])('a container held from before %s', (_what, container, reasons) => {
    const pool = poolOf({ 'node-1': 1 }, 2);
    expect(lost(ask(pool, 'a', { holding: [container] })).map((signal) => signal.reason)).toEqual(reasons);
    expect(pool.containers.has(container.id)).toBe(reasons.length === 0);
  });

  test('a container that two claim stays with the first', () => {
    const pool = poolOf({ 'node-1': 2 }, 2);
    ask(pool, 'a', { holding: [mine('1', 1)] });
    expect(lost(ask(pool, 'b', { holding: [mine('1', 1)] }))[0]?.reason).toContain('belongs to a');
  });

  test('grants of an earlier epoch that were seen do not pass for one of this epoch', () => {
    const pool = poolOf({ 'node-1': 1 }, 2);
    ask(pool, 'a');
    schedule(pool);
    ask(pool, 'a', { sequence: 2, epoch: '1', grantSeen: 400 });
    ask(pool, 'b');
    expect(schedule(pool)).toEqual([]);
  });
});

describe('why a request waits', () => {
  const why = (pool: ReturnType<typeof poolOf>) => waiting(pool).map((entry) => entry.why);

  test('says what it needs, what nodes have, and its place', () => {
    const pool = poolOf({ 'node-1': 2, 'node-2': 3 });
    ask(pool, 'urgent', { want: 2, priority: 9 });
    schedule(pool);
    ask(pool, 'other', { want: 9, resources: { cpu: 3, memoryMiB: 1, virtual: {} } });
    ask(pool, 'large', { resources: { cpu: 2, memoryMiB: 4000, virtual: {} }, avoid: [] });
    schedule(pool);
    expect(why(pool)).toMatchInlineSnapshot(`
      [
        "needs cpu 3, 1 MiB; node-2 has cpu 2 free; 1st in line",
        "needs cpu 2, 4000 MiB: more than any node has, so it can never start here (node-2 has 3072 MiB in all, node-1 has 2048 MiB in all)",
      ]
    `);
  });

  test('names what can never be', () => {
    const pool = poolOf({ 'node-1': 2, 'node-2': 3 });
    ask(pool, 'huge', { resources: { cpu: 16, memoryMiB: 1, virtual: {} } });
    ask(pool, 'gpu', { resources: { cpu: 1, memoryMiB: 1, virtual: { gpu: 1 } } });
    expect(why(pool)).toMatchInlineSnapshot(`
      [
        "needs cpu 16, 1 MiB: more than any node has, so it can never start here (node-2 has cpu 3 in all, node-1 has cpu 2 in all)",
        "needs cpu 1, 1 MiB, gpu 1: more than any node has, so it can never start here (node-1 has gpu 0 in all, node-2 has gpu 0 in all)",
      ]
    `);
  });

  test('tells of avoided nodes, of no nodes, and of recovery', () => {
    const pool = poolOf({});
    ask(pool, 'a', { avoid: ['node-1'] });
    expect(why(pool)).toEqual(['needs cpu 1, 256 MiB; no node is there']);
    apply(pool, { kind: 'nodeUp', node: nodeOf('node-1', 4) });
    expect(why(pool)).toEqual(['needs cpu 1, 256 MiB; it keeps away from node-1, and no other node is large enough']);
    const fresh = createPool(2);
    ask(fresh, 'a');
    expect(why(fresh)).toEqual(['needs cpu 1, 256 MiB; FuxiMaster has just started and hears first what others hold']);
  });

  test('names the nodes that come closest, not all of a large cluster', () => {
    const pool = poolOf(Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`node-${i}`, 2])));
    ask(pool, 'a', { want: 101, resources: { cpu: 2, memoryMiB: 1, virtual: {} } });
    schedule(pool);
    expect(why(pool)).toMatchInlineSnapshot(`
      [
        "holds 100 of 101; needs cpu 2, 1 MiB; node-0 has cpu 0 free, node-1 has cpu 0 free, node-10 has cpu 0 free, node-11 has cpu 0 free, 96 other nodes have no more; 1st in line",
      ]
    `);
  });
});

test('an id tells node, incarnation and epoch, also of a node with dots in its name', () => {
  const origin = { node: 'm1.rack-a.example', incarnation: '57', epoch: 3 };
  expect(containerOrigin(containerId(origin, 12))).toEqual(origin);
  expect(containerOrigin('c-1')).toBeUndefined();
});
