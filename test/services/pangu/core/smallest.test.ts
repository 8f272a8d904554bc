import fc from 'fast-check';
import { expect, it } from 'vitest';
import { smallest } from '../../../../services/pangu/core/smallest.ts';

it('is what sorting all of them and cutting off would give', () => {
  const few = fc.string({ maxLength: 2 });
  fc.assert(
    fc.property(fc.array(few, { maxLength: 80 }), fc.integer({ min: 1, max: 30 }), (names, limit) => {
      expect(smallest(names, limit)).toEqual([...new Set(names)].sort().slice(0, limit));
    }),
  );
});
