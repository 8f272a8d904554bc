import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../../services/base/random.ts';
import { SortedNames } from '../../../../../services/nuwa/core/tree/sorted-names.ts';

describe('sorted names', () => {
  it('are those of a set that is sorted, whatever comes and goes', () => {
    for (let seed = 1; seed <= 8; seed++) {
      const random = seededRandom(seed);
      // Of some seeds names come in order, of some they gather in a few places.
      const draw = (step: number): string =>
        seed % 3 === 0 ? String(step).padStart(6, '0') : `${'abc'[random.int(3)]}${random.int(seed % 3 === 1 ? 4_000 : 400_000)}`;
      const names = new Set(Array.from({ length: 1_200 }, (_, i) => draw(i)));
      const sorted = new SortedNames([...names].sort());
      for (let step = 1_200; step < 6_000; step++) {
        const growing = step < 3_600;
        if (random.int(10) < (growing ? 8 : 2)) {
          const name = draw(step);
          if (names.has(name)) continue;
          names.add(name);
          sorted.add(name);
        } else if (names.size > 0) {
          const name = [...names][random.int(names.size)]!;
          names.delete(name);
          sorted.remove(name);
        }
        if (step % 400 !== 0) continue;
        const wanted = [...names].sort();
        expect([...sorted.from(undefined)], `seed ${seed}, step ${step}`).toEqual(wanted);
        for (const after of ['', 'b', 'zzz', wanted[0]!, wanted.at(-1)!, wanted[wanted.length >> 1]!, draw(step)])
          expect([...sorted.from(after)], `seed ${seed}, step ${step}, after ${after}`).toEqual(wanted.filter((name) => name > after));
      }
      for (const name of names) sorted.remove(name);
      expect([...sorted.from(undefined)]).toEqual([]);
      expect([...sorted.from('a')]).toEqual([]);
      sorted.add('again');
      expect([...sorted.from(undefined)]).toEqual(['again']);
    }
  });
});
