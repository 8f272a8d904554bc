import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../services/base/random.ts';
import { type PlacementNode, type PlacementWish, placeReplicas } from '../../../../services/pangu/core/placement.ts';

const MIB = 1024 * 1024;
const node = (id: string, rack: string, freeBytes = 1000 * MIB): PlacementNode => ({ id, rack, freeBytes });
const twoRacks = [node('a1', 'a'), node('a2', 'a'), node('b1', 'b'), node('b2', 'b')];

function place(nodes: PlacementNode[], wish: Partial<PlacementWish> = {}, seed = 1): string[] {
  const placement = placeReplicas(nodes, { replicas: 3, chunkBytes: 64 * MIB, ...wish }, seededRandom(seed));
  if (placement.kind !== 'placed') throw new Error(placement.kind);
  return placement.nodes;
}

describe('placement', () => {
  it('takes distinct nodes with room, none excluded, in as many racks as there are', () => {
    const arbitraryNodes = fc.uniqueArray(
      fc.record({
        id: fc.string({ minLength: 1 }),
        rack: fc.constantFrom('a', 'b', 'c'),
        freeBytes: fc.integer({ min: 0, max: 200 }).map((n) => n * MIB),
      }),
      { selector: ({ id }) => id, maxLength: 12 },
    );
    fc.assert(
      fc.property(arbitraryNodes, fc.integer({ min: 1, max: 5 }), fc.integer(), fc.nat(3), (nodes, replicas, seed, excludedCount) => {
        const exclude = nodes.slice(0, excludedCount).map(({ id }) => id);
        const placement = placeReplicas(nodes, { replicas, chunkBytes: 64 * MIB, exclude }, seededRandom(seed));
        const up = nodes.filter(({ id }) => !exclude.includes(id));
        const roomy = up.filter(({ freeBytes }) => freeBytes >= 64 * MIB);
        if (roomy.length === 0) {
          expect(placement.kind).toBe(up.length === 0 ? 'noServer' : 'noSpace');
          return;
        }
        if (placement.kind !== 'placed') throw new Error(placement.kind);
        const chosen = placement.nodes.map((id) => roomy.find((candidate) => candidate.id === id));
        expect(chosen).not.toContain(undefined);
        expect(new Set(placement.nodes).size).toBe(Math.min(replicas, roomy.length));
        expect(new Set(chosen.map((at) => at!.rack)).size).toBe(
          Math.min(replicas, new Set(roomy.map(({ rack }) => rack)).size, placement.nodes.length),
        );
      }),
    );
  });

  it('puts the first replica on the preferred node, unless it is full or excluded', () => {
    for (let seed = 0; seed < 20; seed++) {
      expect(place(twoRacks, { preferNode: 'b2' }, seed)[0]).toBe('b2');
      expect(place(twoRacks, { preferNode: 'b2', exclude: ['b2'] }, seed)).not.toContain('b2');
    }
    expect(place([node('a1', 'a', 0), node('b1', 'b')], { preferNode: 'a1' })).toEqual(['b1']);
  });

  it('prefers emptier disks without sending everything to the emptiest', () => {
    const nodes = [node('empty', 'a', 9000 * MIB), node('fuller', 'a', 1000 * MIB)];
    const firsts = Array.from({ length: 400 }, (_, seed) => place(nodes, { replicas: 1 }, seed)[0]);
    const share = firsts.filter((id) => id === 'empty').length / firsts.length;
    expect(share).toBeGreaterThan(0.8);
    expect(share).toBeLessThan(0.98);
  });

  it('makes do with fewer nodes than replicas', () => {
    expect(place([node('a1', 'a')])).toEqual(['a1']);
  });
});
