import { describe, expect, it } from 'vitest';
import { stragglerAgeMs } from '../../../../services/fuxi/core/backup.ts';
import { batchSize } from '../../../../services/fuxi/core/batching.ts';
import { ContainerWants } from '../../../../services/fuxi/core/container-wants.ts';
import { findCycle, topologicalOrder } from '../../../../services/fuxi/core/dag.ts';
import { retryDelayMs } from '../../../../services/fuxi/core/failure-policy.ts';
import { noProgress, progressIntervalMs, sumProgress } from '../../../../services/fuxi/core/progress.ts';
import { shardsOf } from '../../../../services/fuxi/core/shards.ts';
import { expectedMs, noTimings, recordTiming } from '../../../../services/fuxi/core/timings.ts';
import { joinWinners, replaceWinners, winningAttempt } from '../../../../services/fuxi/core/winners.ts';

describe('timings', () => {
  it('expects a careful 20 MB/s before anything has finished', () => {
    expect(expectedMs(noTimings(), 20_000_000)).toBe(1_050);
  });

  it('expects the median rate per byte afterwards, whatever one straggler took', () => {
    const timings = noTimings();
    for (const ms of [100, 110, 90, 100_000]) recordTiming(timings, 1_000_000, ms);
    expect(expectedMs(timings, 2_000_000)).toBe(220);
  });
});

describe('batchSize', () => {
  it('fills two seconds, within half of an even share', () => {
    const timings = noTimings();
    recordTiming(timings, 0, 10);
    expect(batchSize(new Array(1_000).fill(0), 4, timings)).toBe(125);
    expect(batchSize(new Array(8).fill(0), 4, timings)).toBe(1);
    recordTiming(timings, 0, 60_000);
    recordTiming(timings, 0, 60_000);
    expect(batchSize(new Array(1_000).fill(0), 4, timings)).toBe(1);
  });
});

describe('stragglerAgeMs', () => {
  const rule = { enabled: true, slowdown: 2, afterFraction: 0.5 };
  it('judges nothing before the given share has finished, and nothing below two seconds', () => {
    const timings = noTimings();
    recordTiming(timings, 1_000, 5_000);
    expect(stragglerAgeMs({ rule, instances: 4, done: 1, timings }, 1_000)).toBeUndefined();
    expect(stragglerAgeMs({ rule, instances: 4, done: 2, timings }, 1_000)).toBe(10_000);
    expect(stragglerAgeMs({ rule, instances: 4, done: 2, timings }, 10)).toBe(2_000);
    expect(stragglerAgeMs({ rule: { ...rule, enabled: false }, instances: 4, done: 3, timings }, 1_000)).toBeUndefined();
  });
});

describe('ContainerWants', () => {
  const idle = (...nodes: string[]) => nodes.map((node, i) => ({ id: `c${i}`, node }));
  it('gives idle containers back together, at most once a second', () => {
    const wants = new ContainerWants();
    expect(wants.decide({ nowMs: 0, busy: 0, idle: [], startable: 4, avoid: [] }).tell).toEqual({ want: 4, release: [] });
    expect(wants.decide({ nowMs: 500, busy: 2, idle: idle('a'), startable: 0, avoid: [] })).toEqual({ wakeAtMs: 1_000 });
    expect(wants.decide({ nowMs: 1_000, busy: 1, idle: idle('a', 'b'), startable: 0, avoid: [] }).tell).toMatchObject({
      want: 1,
      release: idle('a', 'b'),
    });
  });
});

describe('dag', () => {
  it('orders and finds circles', () => {
    const after: Record<string, string[]> = { c: ['a', 'b'], b: ['a'], a: [] };
    expect(topologicalOrder(['c', 'b', 'a'], (name) => after[name]!)).toEqual(['a', 'b', 'c']);
    expect(findCycle(['c', 'b', 'a'], (name) => after[name]!)).toBeUndefined();
    expect(findCycle(['x', 'y'], (name) => (name === 'x' ? ['y'] : ['x']))).toEqual(['x', 'y', 'x']);
    expect(findCycle(['x'], () => ['x'])).toEqual(['x', 'x']);
  });
});

describe('shardsOf', () => {
  it('keeps every shard within a thousand instances and covers all', () => {
    expect(shardsOf(1_000)).toEqual([{ from: 0, to: 1_000 }]);
    const shards = shardsOf(2_001);
    expect(shards).toHaveLength(3);
    expect(shards[0]!.from).toBe(0);
    expect(shards.at(-1)!.to).toBe(2_001);
    for (const [i, { from, to }] of shards.entries()) {
      expect(to - from).toBeLessThanOrEqual(1_000);
      if (i > 0) expect(from).toBe(shards[i - 1]!.to);
    }
  });
});

describe('winners', () => {
  it('stay small and can be replaced and joined', () => {
    const base = { instances: 4, first: 1, exceptions: { 2: 3 } };
    const newer = { instances: 2, first: 1_001, exceptions: { 3: 1_002 } };
    const replaced = replaceWinners(base, newer, [1, 3]);
    expect([0, 1, 2, 3].map((instance) => winningAttempt(replaced, instance))).toEqual([1, 1_001, 3, 1_002]);
    expect(joinWinners([base, { instances: 2, first: 1, exceptions: { 5: 2 } }])).toEqual({
      instances: 6,
      first: 1,
      exceptions: { 2: 3, 5: 2 },
    });
  });
});

describe('progress', () => {
  it('sums shards and has an end only when all have', () => {
    const a = { ...noProgress(2, 10), done: 2, startedAtMs: 5, finishedAtMs: 50 };
    const b = { ...noProgress(3, 10), done: 1, startedAtMs: 4 };
    expect(sumProgress([a, b])).toMatchObject({ instances: 5, done: 3, bytesInTotal: 20, startedAtMs: 4 });
    expect(sumProgress([a, b]).finishedAtMs).toBeUndefined();
    expect(sumProgress([a]).finishedAtMs).toBe(50);
  });

  it('is told ever more rarely, some 250 times in an hour', () => {
    let told = 0;
    for (let ms = 0; ms < 3_600_000; ms += progressIntervalMs(ms)) told++;
    expect(told).toBeGreaterThan(100);
    expect(told).toBeLessThan(300);
  });
});

describe('retryDelayMs', () => {
  it('doubles from 0.2 s to 10 s', () => {
    expect([1, 2, 3, 10].map(retryDelayMs)).toEqual([200, 400, 800, 10_000]);
  });
});
