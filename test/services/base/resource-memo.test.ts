import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isPlainPath } from '../../../services/base/plain-path.ts';
import { ResourceMemo } from '../../../services/base/resource-memo.ts';

test('what is remembered of a path is what is made of it, however many paths and clusters come in between', () => {
  let made = 0;
  let asked = 0;
  const memo = new ResourceMemo((path, cluster) => {
    made++;
    return path.startsWith('/z/') ? `z://${cluster}${path.slice(2)}` : `p://${cluster}${path}`;
  });
  const name = fc.oneof(fc.constantFrom('z', 'a', 'ab', 'ba', '..', '', '%'), fc.string({ minLength: 1, maxLength: 3 }));
  const path = fc.oneof(
    fc.array(name, { maxLength: 4 }).map((names) => `/${names.join('/')}`),
    fc.string({ maxLength: 3 }),
    fc.nat(3_000).map((i) => `/books/${i}`),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(path, fc.constantFrom('local', 'local', 'local', 'other')), { minLength: 20 }), (calls) => {
      for (const [text, cluster] of [...calls, ...calls]) {
        const wanted = text.startsWith('/z/') ? `z://${cluster}${text.slice(2)}` : `p://${cluster}${text}`;
        const before = made;
        for (let again = 0; again < 2; again++) expect(memo.of(text, cluster)).toBe(isPlainPath(text) ? wanted : undefined);
        if (isPlainPath(text)) asked += 2;
        expect(made - before).toBeLessThanOrEqual(1);
      }
    }),
    { numRuns: 100 },
  );
  expect(made).toBeLessThan(asked);
});
