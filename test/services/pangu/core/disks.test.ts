import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../services/base/random.ts';
import { type BalanceDisk, planDiskMove } from '../../../../services/pangu/core/disk-balance.ts';
import { faultOf, ReadFaults } from '../../../../services/pangu/core/disk-faults.ts';
import { drawDisk } from '../../../../services/pangu/core/disk-lottery.ts';
import { disksFromText, disksToText, type MeasuredDisk, sumUp } from '../../../../services/pangu/core/disk-space.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

describe('what an error means for a disk', () => {
  it.each([
    ['ENOSPC', 'write', 'full'],
    ['EDQUOT', 'write', 'full'],
    ['EIO', 'write', 'fail'],
    ['EIO', 'fdatasync', 'fail'],
    ['EIO', 'fsync', 'fail'],
    ['EIO', 'read', 'read'],
    ['EUCLEAN', 'open', 'read'],
    ['EROFS', 'open', 'fail'],
    ['ENODEV', 'read', 'fail'],
    ['ENXIO', 'open', 'fail'],
    ['ENOENT', 'open', 'look'],
    ['EACCES', 'open', 'look'],
    ['EMFILE', 'open', 'none'],
    ['ENOMEM', 'read', 'none'],
    ['BadChecksum', undefined, 'none'],
  ])('%s of %s: %s', (code, syscall, fault) => {
    expect(faultOf({ code, syscall })).toBe(fault);
  });

  it('is the end with the third read that fails within ten minutes, not with three in an hour', () => {
    const faults = new ReadFaults();
    expect([0, 1_000, 2_000].map((atMs) => faults.add(atMs))).toEqual([false, false, true]);
    const rare = new ReadFaults();
    expect([0, 20, 40, 60].map((minutes) => rare.add(minutes * 60_000))).toEqual([false, false, false, false]);
  });
});

describe('the lottery of disks', () => {
  it.each([1, 2, 3])('gives a disk with twice the room twice the chunks, and a busy one fewer (seed %i)', (seed) => {
    const disks = [
      { id: 'small', freeBytes: 100 * GIB, busy: 0 },
      { id: 'large', freeBytes: 200 * GIB, busy: 0 },
      { id: 'busy', freeBytes: 200 * GIB, busy: 24 }, // a quarter of its weight
    ];
    const random = seededRandom(seed);
    const drawn = Array.from({ length: 7_000 }, () => drawDisk(disks, 64 * MIB, random)!.id);
    const share = (id: string): number => drawn.filter((each) => each === id).length / drawn.length;
    for (const [id, expected] of [
      ['small', 2 / 7],
      ['large', 4 / 7],
      ['busy', 1 / 7],
    ] as const) {
      const deviation = Math.sqrt((expected * (1 - expected)) / drawn.length);
      expect(Math.abs(share(id) - expected)).toBeLessThan(4 * deviation);
    }
  });

  it('leaves out disks that cannot hold the chunk, and takes the roomiest when none can', () => {
    const disks = [
      { freeBytes: 10 * MIB, busy: 0 },
      { freeBytes: 70 * MIB, busy: 50 },
      { freeBytes: 63 * MIB, busy: 0 },
    ];
    for (let seed = 0; seed < 20; seed++) expect(drawDisk(disks, 64 * MIB, seededRandom(seed))).toBe(disks[1]);
    expect(drawDisk(disks, 128 * MIB, seededRandom(1))).toBe(disks[1]);
    expect(drawDisk([], 1, seededRandom(1))).toBeUndefined();
  });
});

describe('balance between disks', () => {
  const disk = (id: string, totalGib: number, freeGib: number, more: Partial<BalanceDisk> = {}): BalanceDisk => ({
    id,
    state: 'healthy',
    device: id,
    totalBytes: totalGib * GIB,
    freeBytes: freeGib * GIB,
    ...more,
  });

  it.each([1, 2, 3, 4, 5])('brings any disks to the same share, never back and forth (seed %i)', (seed) => {
    const random = seededRandom(seed);
    const disks = Array.from({ length: 2 + random.int(5) }, (_, i) => {
      const total = 10 + random.int(90);
      return disk(`d${i}`, total, random.int(total));
    });
    const chunkBytes = 64 * MIB;
    const directions = new Set<string>();
    let moves = 0;
    for (let move = planDiskMove(disks, false); move; move = planDiskMove(disks, true)) {
      expect(move.bytesMax).toBeGreaterThanOrEqual(chunkBytes);
      directions.add(`${move.from} ${move.to}`);
      expect(directions.has(`${move.to} ${move.from}`)).toBe(false);
      for (const each of disks) each.freeBytes += each.id === move.from ? chunkBytes : each.id === move.to ? -chunkBytes : 0;
      expect(++moves).toBeLessThan(10_000);
    }
    const used = disks.map(({ freeBytes, totalBytes }) => 1 - freeBytes / totalBytes);
    expect(Math.max(...used) - Math.min(...used)).toBeLessThan(0.1);
  });

  it('leaves alone what is near, of one device, or the only disk', () => {
    expect(planDiskMove([disk('a', 100, 50), disk('b', 100, 59)], false)).toBeUndefined();
    expect(planDiskMove([disk('a', 100, 50), disk('b', 100, 59)], true)).toMatchObject({ from: 'a', to: 'b' });
    expect(planDiskMove([disk('a', 100, 10, { device: 'x' }), disk('b', 100, 90, { device: 'x' })], false)).toBeUndefined();
    expect(planDiskMove([disk('a', 100, 10)], false)).toBeUndefined();
    expect(planDiskMove([], false)).toBeUndefined();
  });

  it('empties a disk that retires into the emptiest one', () => {
    const disks = [disk('old', 100, 99, { state: 'retiring' }), disk('a', 100, 20), disk('b', 100, 30)];
    expect(planDiskMove(disks, false)).toEqual({ from: 'old', to: 'b', bytesMax: 30 * GIB });
    expect(planDiskMove([disks[0]!], false)).toBeUndefined();
  });
});

describe('what a server has on its disks', () => {
  const measured = (id: string, more: Partial<MeasuredDisk> = {}): MeasuredDisk => ({
    id,
    path: `/${id}`,
    state: 'healthy',
    device: id,
    busy: 2,
    freeBytes: 10 * GIB,
    totalBytes: 100 * GIB,
    ...more,
  });

  it('counts each device once, those that take chunks only, and the most that one has', () => {
    const disks = [
      measured('a'),
      measured('b', { device: 'a', busy: 4 }),
      measured('c', { freeBytes: 30 * GIB }),
      measured('d', { state: 'failed', freeBytes: 90 * GIB }),
      measured('e', { state: 'retiring', freeBytes: 90 * GIB }),
    ];
    expect(sumUp(disks)).toEqual({ freeBytes: 40 * GIB, totalBytes: 200 * GIB, chunkRoomBytes: 30 * GIB, busy: 8 / 3 });
    expect(sumUp([])).toEqual({ freeBytes: 0, totalBytes: 0, chunkRoomBytes: 0, busy: 0 });
  });

  it('comes through a registration, and is nothing where another version wrote something else', () => {
    const disks = [measured('a'), measured('b', { state: 'failed', reason: 'EIO' })];
    expect(disksFromText(disksToText(disks))).toEqual(disks.map(({ device: _, busy: __, ...told }) => told));
    for (const other of [undefined, 3, '{', '[{"id":1}]']) expect(disksFromText(other)).toEqual([]);
  });
});
