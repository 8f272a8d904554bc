import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../services/base/random.ts';
import { type PlacementNode, type PlacementWish, placeReplicas } from '../../../../services/pangu/core/placement.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const CHUNKS = 3_000;

interface Server extends PlacementNode {
  machine: string;
}

function server(id: string, rack: string, more: Partial<Server> = {}): Server {
  return { id, rack, machine: id, freeBytes: 1000 * GIB, ...more };
}

/** Where so many chunks went, one after the other; what they take up is taken off. */
function placeMany(servers: Server[], wish: Partial<PlacementWish>, seed: number, count = CHUNKS): Server[][] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => {
    const placement = placeReplicas(servers, { replicas: 3, chunkBytes: 64 * MIB, ...wish }, random);
    if (placement.kind !== 'placed') throw new Error(`seed ${seed}: ${placement.kind}`);
    return placement.nodes.map((id) => servers.find((one) => one.id === id)!);
  });
}

function countOf(chunks: Server[][], id: string): number {
  return chunks.flat().filter((one) => one.id === id).length;
}

describe('the lottery of placement', () => {
  it.each([1, 2, 3])('gives a node that has twice as much free about twice as many chunks (seed %i)', (seed) => {
    const servers = [server('a', 'r', { freeBytes: 500 * GIB }), server('b', 'r'), server('c', 'r', { freeBytes: 2000 * GIB })];
    const chunks = placeMany(servers, { replicas: 1 }, seed);
    expect(countOf(chunks, 'b') / countOf(chunks, 'a')).toBeCloseTo(2, 0);
    expect(countOf(chunks, 'c') / countOf(chunks, 'b')).toBeCloseTo(2, 0);
    // Four standard deviations around the seventh that is its share.
    const deviation = Math.sqrt(CHUNKS * (1 / 7) * (6 / 7));
    expect(Math.abs(countOf(chunks, 'a') - CHUNKS / 7)).toBeLessThan(4 * deviation);
  });

  it.each([1, 2, 3])('sends less to a node whose disks are busy, and something all the same (seed %i)', (seed) => {
    const chunks = placeMany([server('idle', 'r'), server('busy', 'r', { busy: 48 })], { replicas: 1 }, seed);
    const share = countOf(chunks, 'busy') / CHUNKS;
    expect(share).toBeGreaterThan(0.17);
    expect(share).toBeLessThan(0.23); // a fifth: a quarter of the other's weight
  });

  it.each([1, 2, 3])('loses no chunk with any one rack, whatever the sizes (seed %i)', (seed) => {
    const random = seededRandom(seed);
    const racks = ['r1', 'r2', 'r3'];
    const servers = Array.from({ length: 12 }, (_, i) => server(`n${i}`, racks[i % 3]!, { freeBytes: (1 + random.int(2000)) * GIB }));
    for (const replicas of [2, 3]) {
      const inOneRack = placeMany(servers, { replicas }, seed, 500).filter((chunk) => new Set(chunk.map(({ rack }) => rack)).size === 1);
      expect(inOneRack).toEqual([]);
    }
  });

  it.each([1, 2, 3])('loses no chunk with any one machine of a rack that has two of them (seed %i)', (seed) => {
    const servers = ['m1', 'm1', 'm1', 'm2'].map((machine, i) => server(`n${i}`, 'r', { machine, freeBytes: (4 - i) * 100 * GIB }));
    const chunks = placeMany(servers, { replicas: 2 }, seed, 500);
    expect(chunks.filter(([one, other]) => one!.machine === other!.machine)).toEqual([]);
  });

  it('puts two replicas on one machine rather than on none, and keeps apart from what is there', () => {
    const alone = ['n1', 'n2'].map((id) => server(id, 'r', { machine: 'm' }));
    expect(placeMany(alone, { replicas: 2 }, 1, 10).every((chunk) => chunk.length === 2)).toBe(true);
    const servers = [...alone, server('n3', 'r', { freeBytes: 64 * MIB })];
    const beside = [{ rack: 'r', machine: 'm' }];
    for (const chunk of placeMany(servers, { replicas: 1, beside }, 1, 50)) expect(chunk[0]!.id).toBe('n3');
  });

  it('needs room for the whole chunk on one disk, not on all of them together', () => {
    const servers = [server('many-small', 'r1', { chunkRoomBytes: 60 * MIB }), server('one-large', 'r2', { freeBytes: 64 * MIB })];
    for (const chunk of placeMany(servers, {}, 1, 20)) expect(chunk.map(({ id }) => id)).toEqual(['one-large']);
  });
});
