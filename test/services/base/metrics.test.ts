import { Registry } from 'prom-client';
import { describe, expect, test } from 'vitest';
import { createMetrics, tellWhenAsked } from '../../../services/base/metrics.ts';

const SPECS = {
  made: { kind: 'counter', name: 'feitian_test_made_total', help: 'Made', labels: ['kind'] },
  there: { kind: 'gauge', name: 'feitian_test_there', help: 'There' },
  seconds: { kind: 'histogram', name: 'feitian_test_seconds', help: 'Time', labels: ['kind'] },
} as const;

async function linesOf(registry: Registry): Promise<string[]> {
  return (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

describe('metrics told when asked', () => {
  test('are what is so at that moment', async () => {
    const registry = new Registry();
    let there = 1;
    tellWhenAsked(createMetrics(SPECS, registry).there, () => [{ value: there }]);
    expect(await linesOf(registry)).toEqual(['feitian_test_there 1']);
    there = 5;
    expect(await linesOf(registry)).toEqual(['feitian_test_there 5']);
  });

  test('of several tellers add up by their labels, until one stops', async () => {
    const registry = new Registry();
    const { made } = createMetrics(SPECS, registry);
    tellWhenAsked(made, () => [
      { labels: { kind: 'a' }, value: 1 },
      { labels: { kind: 'b' }, value: 2 },
    ]);
    const stop = tellWhenAsked(createMetrics(SPECS, registry).made, async () => [{ labels: { kind: 'a' }, value: 10 }]);
    expect(await linesOf(registry)).toContain('feitian_test_made_total{kind="a"} 11');
    stop();
    const lines = await linesOf(registry);
    expect(lines).toContain('feitian_test_made_total{kind="a"} 1');
    expect(lines).toContain('feitian_test_made_total{kind="b"} 2');
  });

  test('may be whole histograms', async () => {
    const registry = new Registry();
    tellWhenAsked(createMetrics(SPECS, registry).seconds, () => [
      { suffix: '_bucket', labels: { kind: 'a', le: '+Inf' } as object, value: 2 },
      { suffix: '_sum', labels: { kind: 'a' }, value: 0.5 },
      { suffix: '_count', labels: { kind: 'a' }, value: 2 },
    ]);
    expect((await linesOf(registry)).filter((line) => line.startsWith('feitian_test_seconds'))).toEqual([
      'feitian_test_seconds_bucket{kind="a",le="+Inf"} 2',
      'feitian_test_seconds_sum{kind="a"} 0.5',
      'feitian_test_seconds_count{kind="a"} 2',
    ]);
  });
});
