import { describe, expect, it, test } from 'vitest';
import { seededRandom } from '../../../../services/base/random.ts';
import { excessBytes, planSpread, type SpreadNode, spreadOf, targetsOf } from '../../../../services/pangu/core/spread.ts';

const MIB = 1024 * 1024;
interface Cluster {
  nodes: SpreadNode[];
  replicas: { chunk: string; length: number; nodes: string[] }[];
}

/** Chunks on the nodes named, and the nodes' figures made of them. */
function clusterOf(capacities: Record<string, number>, racks: Record<string, string>, replicas: Cluster['replicas']): Cluster {
  const nodes = Object.entries(capacities).map(([id, capacity]) => {
    const bytes = replicas.filter(({ nodes }) => nodes.includes(id)).reduce((sum, { length }) => sum + length, 0);
    return { id, rack: racks[id]!, bytes, freeBytes: capacity - bytes };
  });
  return { nodes, replicas };
}

function apply({ nodes, replicas }: Cluster, moves: ReturnType<typeof planSpread>): Cluster {
  const changed = replicas.map((replica) => {
    const move = moves.find(({ chunk }) => chunk === replica.chunk);
    return move ? { ...replica, nodes: [...replica.nodes.filter((node) => node !== move.from), move.to] } : replica;
  });
  const capacities = Object.fromEntries(nodes.map(({ id, bytes, freeBytes }) => [id, bytes + freeBytes]));
  return clusterOf(capacities, Object.fromEntries(nodes.map(({ id, rack }) => [id, rack])), changed);
}

function filled(seed: number, ids: string[], racks: Record<string, string>, count: number, lengthOf: () => number): Cluster['replicas'] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, i) => {
    const first = ids[random.int(ids.length)]!;
    const away = ids.filter((id) => racks[id] !== racks[first]);
    const second = (away.length > 0 ? away : ids.filter((id) => id !== first))[random.int(away.length || ids.length - 1)]!;
    const rest = ids.filter((id) => id !== first && id !== second);
    return { chunk: `c${i}`, length: lengthOf(), nodes: [first, second, rest[random.int(rest.length)]!] };
  });
}

const RACKS = { n1: 'r1', n2: 'r1', n3: 'r2', n4: 'r2', n5: 'r3' };

describe('after an empty node joins four filled ones', () => {
  const capacities = { n1: 20_000 * MIB, n2: 20_000 * MIB, n3: 20_000 * MIB, n4: 20_000 * MIB, n5: 20_000 * MIB };
  const before = clusterOf(
    capacities,
    RACKS,
    filled(7, ['n1', 'n2', 'n3', 'n4'], RACKS, 200, () => 64 * MIB),
  );

  it('all are within five percent, no chunk moves twice, and what moves is what was too much', () => {
    const moves = planSpread(before);
    const after = apply(before, moves);
    expect(spreadOf(before.nodes)).toBeGreaterThan(1);
    expect(spreadOf(after.nodes)).toBeLessThan(0.05);
    expect(new Set(moves.map(({ chunk }) => chunk)).size).toBe(moves.length);
    const bytes = moves.reduce((sum, { length }) => sum + length, 0);
    expect(bytes).toBeLessThanOrEqual(excessBytes(before.nodes) + 5 * 64 * MIB);
    // Done once, it is done.
    expect(planSpread({ ...after, moved: new Set() })).toEqual([]);
  });

  it('the same comes of many short steps, each planned anew, with nothing that moved moving again', () => {
    let now = before;
    const moved = new Set<string>();
    for (let step = 0; step < 100; step++) {
      const moves = planSpread({ ...now, moved, bytesMax: 512 * MIB });
      if (moves.length === 0) break;
      for (const { chunk } of moves) {
        expect(moved.has(chunk)).toBe(false);
        moved.add(chunk);
      }
      now = apply(now, moves);
    }
    expect(spreadOf(now.nodes)).toBeLessThan(0.05);
  });
});

it('a disk twice as large gets twice as much', () => {
  const capacities = { n1: 2_000 * MIB, n2: 1_000 * MIB, n3: 1_000 * MIB };
  const replicas = Array.from({ length: 100 }, (_, i) => ({ chunk: `c${i}`, length: 8 * MIB, nodes: ['n2'] }));
  const cluster = clusterOf(capacities, { n1: 'r', n2: 'r', n3: 'r' }, replicas);
  expect([...targetsOf(cluster.nodes).values()]).toEqual([400 * MIB, 200 * MIB, 200 * MIB]);
  const after = apply(cluster, planSpread(cluster));
  expect(after.nodes.map(({ bytes }) => bytes / MIB)).toEqual([400, 200, 200]);
});

test.each([
  ['nothing where all are alike', ['n1', 'n2', 'n3', 'n4'], {}],
  ['nothing where there is nothing', [], {}],
])('moves %s', (_, holders, more) => {
  const replicas = holders.map((node, i) => ({ chunk: `c${i}`, length: MIB, nodes: [node] }));
  const cluster = clusterOf({ n1: 100 * MIB, n2: 100 * MIB, n3: 100 * MIB, n4: 100 * MIB }, RACKS, replicas);
  expect(planSpread({ ...cluster, ...more })).toEqual([]);
});

it('moves nothing where a chunk would come into one rack with another of its replicas', () => {
  const replicas = Array.from({ length: 20 }, (_, i) => ({ chunk: `c${i}`, length: MIB, nodes: ['n1', 'n3'] }));
  const cluster = clusterOf({ n1: 100 * MIB, n3: 100 * MIB, n4: 100 * MIB }, RACKS, replicas);
  for (const move of planSpread(cluster)) expect(move).toMatchObject({ from: 'n3', to: 'n4' });
});

it('never makes it worse, never moves twice, never crowds, whatever the cluster (random, from a seed)', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = seededRandom(seed);
    const ids = Array.from({ length: 3 + random.int(8) }, (_, i) => `n${i}`);
    const racks = Object.fromEntries(ids.map((id) => [id, `r${random.int(3)}`]));
    const replicas = filled(seed, ids.slice(0, 3 + random.int(ids.length - 2)), racks, random.int(150), () => (1 + random.int(64)) * MIB);
    const capacities = Object.fromEntries(ids.map((id) => [id, (10_000 + random.int(20_000)) * MIB]));
    const before = clusterOf(capacities, racks, replicas);
    const moves = planSpread(before);
    const after = apply(before, moves);
    expect(excessBytes(after.nodes), `seed ${seed}`).toBeLessThanOrEqual(excessBytes(before.nodes));
    expect(new Set(moves.map(({ chunk }) => chunk)).size, `seed ${seed}`).toBe(moves.length);
    after.replicas.forEach((replica, i) => {
      const apart = (nodes: string[]): number => new Set(nodes.map((node) => racks[node])).size;
      expect(new Set(replica.nodes).size, `seed ${seed}`).toBe(3);
      expect(apart(replica.nodes), `seed ${seed}`).toBeGreaterThanOrEqual(Math.min(2, apart(replicas[i]!.nodes)));
    });
  }
});
