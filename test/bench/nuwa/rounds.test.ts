import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../services/base/random.ts';
import { render } from '../nuwa.ts';
import { Latencies } from './latencies.ts';
import { inRounds, linesOf, median } from './rounds.ts';

describe('rounds', () => {
  test('measure each system in turn, and begin with another one each time', async () => {
    const order: string[] = [];
    const contender = (system: string) => ({
      system,
      measure: async () => {
        order.push(system);
        return { perSecond: 1, p50Ms: 1, p99Ms: 1 };
      },
    });
    await inRounds([{ name: 'write', contenders: ['a', 'b', 'c'].map(contender) }], 3, () => {});
    expect(order.join('')).toBe('abcbcacab');
  });

  test('hold ours against a peer by the ratio of the medians, so that one bad moment does not count', () => {
    const runs = (...rates: number[]) => rates.map((perSecond) => ({ perSecond, p50Ms: 1, p99Ms: 2, errors: 1 }));
    const [ours, theirs] = linesOf(
      [
        { case: 'write', system: 'Nuwa', runs: runs(300, 310, 20) },
        { case: 'write', system: 'etcd', runs: runs(90, 900, 100) },
      ],
      ['etcd', 'ZooKeeper'],
    );
    expect(ours).toMatchObject({ perSecond: 300, min: 20, max: 310, over: { etcd: 3 }, errors: 3 });
    expect(theirs!.over).toEqual({});
  });

  test('have a median of an even number of runs too', () => {
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBeNaN();
  });
});

describe('latencies', () => {
  test('tell quantiles to two hundredths, also when several processes are put together', () => {
    const random = seededRandom(7);
    const all = Array.from({ length: 5_000 }, () => 0.05 + 40 * random.next() ** 3);
    const parts = [new Latencies(), new Latencies()];
    for (const [i, ms] of all.entries()) parts[i % 2]!.add(ms);
    const merged = new Latencies(JSON.parse(JSON.stringify(parts[0])) as number[]);
    merged.merge(parts[1]!);
    all.sort((a, b) => a - b);
    expect(merged.count).toBe(5_000);
    for (const q of [0.5, 0.9, 0.99]) {
      const exact = all[Math.ceil(q * all.length) - 1]!;
      expect(Math.abs(merged.quantile(q) / exact - 1), `q ${q}`).toBeLessThan(0.021);
    }
    expect(new Latencies().quantile(0.99)).toBe(0);
  });
});

test('the table has a line for each system, and what is of no case below', () => {
  const figures = {
    'per second, median': 12_345.6,
    'per second, least': 1,
    'per second, most': 2,
    'p50 ms': 1.234,
    'p99 ms': 5,
    'times etcd': 3.1,
  };
  const text = render([
    { what: 'the disk', figures: { 'appends per second': 5_000 } },
    { what: 'write: Nuwa', figures },
  ]);
  expect(text).toMatch(/^write: Nuwa +12,346 +1 +2 +1\.23 +5\.00 +3\.10$/m);
  expect(text).toMatch(/the disk\nfigure +value\nappends per second +5,000\.00$/);
});
