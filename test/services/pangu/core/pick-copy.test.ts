import { expect, it } from 'vitest';
import { seededRandom } from '../../../../services/base/random.ts';
import { Pace } from '../../../../services/pangu/core/pace.ts';
import { pickCopy } from '../../../../services/pangu/core/pick-copy.ts';

const SERVERS = ['n1', 'n2', 'n3', 'n4'].map((id, i) => ({ id, rack: i < 2 ? 'r1' : 'r2', freeBytes: 1_000 }));
const chunk = (id: string, ...nodes: string[]) => ({ chunk: id, length: 10, nodes });
const pick = (lacking: ReturnType<typeof chunk>[], busy: Record<string, number> = {}, servers = SERVERS) =>
  pickCopy(lacking, servers, new Map(Object.entries(busy)), 2, seededRandom(1));

it('takes the first, from the least busy that has it, to another rack', () => {
  expect(pick([chunk('a', 'n1', 'n2'), chunk('b', 'n3')], { n1: 1 })).toMatchObject({
    chunk: 'a',
    source: 'n2',
    to: expect.stringMatching(/n3|n4/),
  });
});

it('lets the next go first while all that have one are busy, and waits when all are', () => {
  expect(pick([chunk('a', 'n1'), chunk('b', 'n3')], { n1: 2 })).toMatchObject({ chunk: 'b', source: 'n3' });
  expect(pick([chunk('a', 'n1')], { n1: 2 })).toBeUndefined();
  expect(pick([chunk('a', 'n1')], { n2: 2, n3: 2, n4: 2 })).toBeUndefined();
  expect(pick([])).toBeUndefined();
});

it('never copies to one that has it, is about to leave or is full', () => {
  const servers = SERVERS.map((server) => ({ ...server, freeBytes: server.id === 'n3' ? 5 : 1_000, draining: server.id === 'n4' }));
  expect(pick([chunk('a', 'n1', 'n2')], {}, servers)).toBeUndefined();
  expect(pick([chunk('a', 'n1')], {}, servers)).toMatchObject({ to: 'n2' });
});

it('paces bytes: each piece begins when those before it are through, and idle time is not saved up', () => {
  const pace = new Pace(1_000);
  expect(pace.take(500, 0)).toBe(0);
  expect(pace.take(500, 0)).toBe(500);
  expect(pace.take(500, 100)).toBe(900);
  expect(pace.take(500, 60_000)).toBe(0);
  expect(pace.take(500, 60_000)).toBe(500);
  pace.bytesPerSecond = Number.POSITIVE_INFINITY;
  pace.take(1e12, 70_000);
  expect(pace.take(1, 70_000)).toBe(0);
});
