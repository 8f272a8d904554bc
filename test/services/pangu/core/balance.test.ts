import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BalanceInput, type BalanceReplica, fairShare, planBalance } from '../../../../services/pangu/core/balance.ts';

const RACKS = ['a', 'b', 'c'];

/** Nodes n0, n1, … in racks, chunks on distinct nodes, and figures that fit; n0 is the new one. */
const arbitraryCluster = fc
  .record({
    racks: fc.array(fc.constantFrom(...RACKS), { minLength: 2, maxLength: 8 }),
    chunks: fc.array(fc.record({ length: fc.nat(100), replicas: fc.integer({ min: 1, max: 3 }), seed: fc.nat() }), { maxLength: 60 }),
    newHolds: fc.boolean(),
  })
  .map(({ racks, chunks, newHolds }) => {
    const first = newHolds ? 0 : 1;
    const replicas: BalanceReplica[] = chunks.map(({ length, replicas, seed }, i) => {
      const count = racks.length - first;
      const nodes = Array.from({ length: Math.min(replicas, count) }, (_, k) => `n${first + ((seed + k) % count)}`);
      return { chunk: `c${i}`, length, nodes };
    });
    const bytesOf = (id: string): number => replicas.filter(({ nodes }) => nodes.includes(id)).reduce((sum, { length }) => sum + length, 0);
    const nodes = racks.map((rack, i) => ({ id: `n${i}`, rack, bytes: bytesOf(`n${i}`), freeBytes: 1e6 }));
    return { nodes, replicas, to: 'n0' } satisfies BalanceInput;
  });

function carriedOut({ nodes, replicas }: BalanceInput, moves: ReturnType<typeof planBalance>) {
  const placed = new Map(replicas.map(({ chunk, nodes }) => [chunk, [...nodes]]));
  const bytes = new Map(nodes.map((node) => [node.id, node.bytes]));
  for (const { chunk, from, to, length } of moves) {
    const at = placed.get(chunk)!;
    expect(at).toContain(from);
    expect(at).not.toContain(to);
    at[at.indexOf(from)] = to;
    bytes.set(from, bytes.get(from)! - length);
    bytes.set(to, bytes.get(to)! + length);
  }
  return { placed, bytes };
}

describe('a plan of balance', () => {
  it('moves each replica once, from where it is to where none of its chunk is', () => {
    fc.assert(
      fc.property(arbitraryCluster, (cluster) => {
        const moves = planBalance(cluster);
        carriedOut(cluster, moves);
        expect(new Set(moves.map(({ chunk }) => chunk)).size).toBe(moves.length);
        expect(moves.every(({ to }) => to === 'n0')).toBe(true);
      }),
    );
  });

  it('never puts more replicas of a chunk into one rack than were in one before', () => {
    fc.assert(
      fc.property(arbitraryCluster, (cluster) => {
        const { placed } = carriedOut(cluster, planBalance(cluster));
        const rackOf = (id: string): string => cluster.nodes.find((node) => node.id === id)!.rack;
        for (const { chunk, nodes } of cluster.replicas) {
          const before = new Set(nodes.map(rackOf)).size;
          expect(new Set(placed.get(chunk)!.map(rackOf)).size).toBeGreaterThanOrEqual(before);
        }
      }),
    );
  });

  it('takes only from nodes above their share, and leaves none of them emptier than the new one', () => {
    fc.assert(
      fc.property(arbitraryCluster, (cluster) => {
        const moves = planBalance(cluster);
        const { bytes } = carriedOut(cluster, moves);
        const share = fairShare(cluster.nodes);
        for (const giver of new Set(moves.map(({ from }) => from))) {
          expect(cluster.nodes.find(({ id }) => id === giver)!.bytes).toBeGreaterThan(share);
          expect(bytes.get(giver)!).toBeGreaterThanOrEqual(Math.min(bytes.get('n0')!, share) - 100);
        }
      }),
    );
  });

  it('is empty when it was carried out, so that nothing goes back and forth', () => {
    fc.assert(
      fc.property(arbitraryCluster, (cluster) => {
        const moves = planBalance(cluster);
        const { placed, bytes } = carriedOut(cluster, moves);
        const again: BalanceInput = {
          ...cluster,
          nodes: cluster.nodes.map((node) => ({ ...node, bytes: bytes.get(node.id)! })),
          replicas: cluster.replicas.map((replica) => ({ ...replica, nodes: placed.get(replica.chunk)! })),
        };
        expect(planBalance(again)).toEqual([]);
      }),
    );
  });

  const even = (count: number, length: number): BalanceReplica[] =>
    Array.from({ length: count }, (_, i) => ({ chunk: `c${i}`, length, nodes: [`n${1 + (i % 4)}`, `n${1 + ((i + 2) % 4)}`] }));
  const nodesOf = (replicas: BalanceReplica[], racks: string[]) =>
    racks.map((rack, i) => ({
      id: `n${i}`,
      rack,
      freeBytes: 1e6,
      bytes: replicas.filter(({ nodes }) => nodes.includes(`n${i}`)).reduce((sum, { length }) => sum + length, 0),
    }));

  it('gives a new node its share when every replica may move', () => {
    const replicas = even(100, 10);
    const nodes = nodesOf(replicas, ['e', 'a', 'b', 'c', 'd']);
    const moves = planBalance({ nodes, replicas, to: 'n0' });
    expect(moves.reduce((sum, { length }) => sum + length, 0)).toBe(fairShare(nodes));
    expect(new Set(moves.map(({ from }) => from)).size).toBe(4);
  });

  it('stays within the bytes it is given and the room of the new node', () => {
    const replicas = even(100, 10);
    const nodes = nodesOf(replicas, ['e', 'a', 'b', 'c', 'd']);
    const bounded = planBalance({ nodes, replicas, to: 'n0', bytesMax: 55 });
    expect(bounded).toHaveLength(5);
    const small = nodes.map((node) => (node.id === 'n0' ? { ...node, freeBytes: 25 } : node));
    expect(planBalance({ nodes: small, replicas, to: 'n0' })).toHaveLength(2);
  });

  it('moves nothing to a node that is not there, or into an empty cluster', () => {
    expect(planBalance({ nodes: [], replicas: [], to: 'n0' })).toEqual([]);
    expect(planBalance({ nodes: nodesOf([], ['a', 'b']), replicas: [], to: 'n0' })).toEqual([]);
  });
});
