import { afterAll, describe, expect, test } from 'vitest';
import { linesOf } from '../nuwa/rounds.ts';
import { Pair } from './pair.ts';
import { render, rowOf } from './table.ts';

describe.each(['kuafu', 'net'] as const)('the two processes of %s', (system) => {
  const starting = Pair.start(system, { packages: '' });
  afterAll(async () => (await starting).stop());

  test('call and answer, and tell what it took', async () => {
    const { perSecond, p50Ms, p99Ms, serverUs, clientUs } = await (await starting).unary(8, 0.2);
    expect(perSecond).toBeGreaterThan(100);
    expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
    expect(serverUs).toBeGreaterThan(0);
    expect(clientUs).toBeGreaterThan(0);
  });

  test.each(['up', 'down'] as const)('stream %s', async (direction) => {
    const { perSecond } = await (await starting).stream(direction, 0.05);
    expect(perSecond).toBeGreaterThan(1);
  });
});

test('a system that cannot begin says why', async () => {
  await expect(Pair.start('grpc-js', { packages: '/nowhere' })).rejects.toThrow(
    /the server of grpc-js: Cannot find module '@grpc\/grpc-js'/,
  );
});

test('the table has a column for each that others are held against', () => {
  const measured = { perSecond: 1_000, p50Ms: 1, p99Ms: 2, serverUs: 3.14, clientUs: 2.5 };
  const outcomes = [
    { case: 'calls', system: 'Kuafu', runs: [measured] },
    { case: 'calls', system: 'grpc-js', runs: [{ ...measured, perSecond: 80 }] },
    { case: 'MB', system: 'Kuafu', runs: [{ perSecond: 900, p50Ms: Number.NaN, p99Ms: Number.NaN }] },
  ];
  const text = render([...linesOf(outcomes, ['grpc-js']).map(rowOf), { what: 'the machine', figures: { load: 1.5 } }]);
  expect(text).toMatch(/^case +per second .* × grpc-js$/m);
  expect(text).toMatch(/^calls: Kuafu +1,000 +1,000 +1,000 +1\.00 +2\.00 +3\.1 +2\.5 +12\.50$/m);
  expect(text).toMatch(/^MB: Kuafu +900 +900 +900$/m);
  expect(text).toMatch(/the machine\nfigure +value\nload +1\.50$/);
});
