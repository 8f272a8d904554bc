import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type InputFile, planSplits, sizeOfSplits } from '../../../../services/fuxi/core/splits.ts';

const file = (path: string, size: number, splitBytes = 100, nodes: string[] = []): InputFile => ({
  path,
  size,
  splitBytes,
  chunks: size > 0 ? [{ offset: 0, length: size, nodes }] : [],
});

describe('sizeOfSplits', () => {
  it('counts what would be made, without making it', () => {
    const file = { path: '/a', size: 20_000_000_000, splitBytes: 1, chunks: [] };
    expect(sizeOfSplits([file], 'auto')).toEqual({ instancesMin: 20_000_000_000, rangesMax: 20_000_000_000 });
    expect(sizeOfSplits([file], 4)).toEqual({ instancesMin: 4, rangesMax: 20_000_000_000 });
  });

  it('is never less than what is made', () => {
    const files = [7, 0, 1_000, 64, 65].map((size, i) => ({ path: `/${i}`, size, splitBytes: 64, chunks: [] }));
    for (const instances of ['auto', 1, 3, 50] as const) {
      const { splits } = planSplits(files, instances);
      const { instancesMin, rangesMax } = sizeOfSplits(files, instances);
      expect(splits.instances.length).toBeGreaterThanOrEqual(instancesMin);
      expect(splits.instances.flat().length).toBeLessThanOrEqual(rangesMax);
    }
  });
});

describe('planSplits', () => {
  it('cuts a file at its split length', () => {
    expect(planSplits([file('/a', 250)], 'auto').splits).toEqual({
      files: ['/a'],
      instances: [[[0, 0, 100]], [[0, 100, 100]], [[0, 200, 50]]],
    });
  });

  it('lets small files share an instance up to the split length', () => {
    const { splits, bytes } = planSplits([file('/a', 40), file('/b', 40), file('/c', 40), file('/d', 0)], 'auto');
    expect(splits.instances).toEqual([
      [
        [0, 0, 40],
        [1, 0, 40],
      ],
      [[2, 0, 40]],
    ]);
    expect(bytes).toEqual([80, 40]);
  });

  it('gives one instance with nothing to read when all files are empty', () => {
    expect(planSplits([file('/a', 0)], 'auto').splits.instances).toEqual([[]]);
  });

  it('prefers the nodes that hold most of an instance', () => {
    const chunks = [
      { offset: 0, length: 60, nodes: ['n1', 'n2'] },
      { offset: 60, length: 40, nodes: ['n2', 'n3'] },
    ];
    const { preferred, nodes } = planSplits([{ path: '/a', size: 100, splitBytes: 100, chunks }], 'auto');
    expect(preferred[0]!.map((node) => nodes[node])).toEqual(['n2', 'n1', 'n3']);
  });

  it('covers every byte of every file exactly once, for any files and any number of instances', () => {
    const files = fc.array(fc.record({ size: fc.integer({ min: 0, max: 400 }), splitBytes: fc.integer({ min: 1, max: 90 }) }), {
      minLength: 1,
      maxLength: 12,
    });
    const instances = fc.oneof(fc.constant<'auto'>('auto'), fc.integer({ min: 1, max: 40 }));
    fc.assert(
      fc.property(files, instances, (sizes, count) => {
        const { splits, bytes } = planSplits(
          sizes.map(({ size, splitBytes }, i) => file(`/${i}`, size, splitBytes)),
          count,
        );
        if (count !== 'auto') expect(splits.instances).toHaveLength(count);
        const ends = sizes.map(() => 0);
        for (const [index, offset, length] of splits.instances.flat()) {
          expect(offset).toBe(ends[index]);
          expect(length).toBeGreaterThan(0);
          ends[index]! += length;
        }
        expect(ends).toEqual(sizes.map(({ size }) => size));
        expect(bytes.reduce((a, b) => a + b, 0)).toBe(sizes.reduce((sum, { size }) => sum + size, 0));
      }),
    );
  });

  it('deals bytes out evenly over a fixed number of instances', () => {
    const { bytes } = planSplits([file('/a', 100_000, 64_000), file('/b', 60_000, 64_000)], 8);
    expect(Math.max(...bytes)).toBeLessThanOrEqual(40_000);
    expect(Math.min(...bytes)).toBeGreaterThan(0);
  });
});
