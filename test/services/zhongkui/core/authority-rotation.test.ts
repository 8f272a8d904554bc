import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  ANNOUNCED_MS,
  CERTIFICATE_LIFE_MS,
  needsKey,
  ROOT_LIFE_MS,
  type RootTimes,
  rotationDue,
  rotationProblem,
  SUPERSEDED_MS,
  signingRoot,
  trustedRoots,
} from '../../../../services/zhongkui/core/authority-rotation.ts';

const rootAt = (madeMs: number, announcedMs: number): RootTimes => ({
  notBeforeMs: madeMs,
  notAfterMs: madeMs + ROOT_LIFE_MS,
  signsFromMs: madeMs + announcedMs,
});

test('a root is announced, signs, is superseded and goes', () => {
  const first = rootAt(0, 0);
  const t0 = ROOT_LIFE_MS / 2;
  const second = rootAt(t0, ANNOUNCED_MS);
  const roots = [first, second];
  const at = (nowMs: number) => [
    signingRoot(roots, nowMs),
    trustedRoots(roots, nowMs),
    roots.filter((root) => needsKey(roots, root, nowMs)),
  ];
  expect(rotationDue([first], t0 - 1)).toBe(false);
  expect(rotationDue([first], t0)).toBe(true);
  expect(at(t0)).toEqual([first, roots, roots]);
  expect(at(t0 + ANNOUNCED_MS - 1)).toEqual([first, roots, roots]);
  expect(rotationProblem(roots, t0 + 1)).toMatch(/announced already/);
  expect(at(t0 + ANNOUNCED_MS)).toEqual([second, roots, [second]]);
  expect(rotationProblem(roots, t0 + ANNOUNCED_MS)).toMatch(/not expired/);
  expect(at(t0 + ANNOUNCED_MS + SUPERSEDED_MS)).toEqual([second, [second], [second]]);
  expect(rotationProblem(roots, t0 + ANNOUNCED_MS + SUPERSEDED_MS)).toBeUndefined();
});

test('a root signs nothing that would outlive it', () => {
  const root = rootAt(0, 0);
  expect(signingRoot([root], ROOT_LIFE_MS - CERTIFICATE_LIFE_MS - 1)).toBe(root);
  expect(signingRoot([root], ROOT_LIFE_MS - CERTIFICATE_LIFE_MS)).toBeUndefined();
});

test('whenever roots are exchanged, no two machines with valid certificates are strangers to each other', () => {
  // Each machine knows the roots that were trusted when it got its certificate, and has it from the one that signed then.
  const gaps = fc.array(fc.integer({ min: 0, max: 200 * 24 * 3_600_000 }), { minLength: 1, maxLength: 5 });
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(gaps, share, share, share, (waits, when, ageA, ageB) => {
      let roots: RootTimes[] = [rootAt(0, 0)];
      const history: { fromMs: number; roots: RootTimes[] }[] = [{ fromMs: 0, roots }];
      let nowMs = 0;
      for (const wait of waits) {
        nowMs += wait;
        if (rotationProblem(roots, nowMs) !== undefined) continue;
        roots = [...trustedRoots(roots, nowMs), rootAt(nowMs, ANNOUNCED_MS)];
        history.push({ fromMs: nowMs, roots });
      }
      const known = (atMs: number): RootTimes[] => history.findLast(({ fromMs }) => fromMs <= atMs)!.roots;
      const meetMs = CERTIFICATE_LIFE_MS + when * (nowMs + 4 * CERTIFICATE_LIFE_MS);
      const machine = (age: number) => {
        const gotMs = meetMs - age * CERTIFICATE_LIFE_MS;
        return { by: signingRoot(known(gotMs), gotMs)!, trusts: trustedRoots(known(gotMs), gotMs) };
      };
      const [a, b] = [machine(ageA), machine(ageB)];
      expect(a.trusts).toContain(b.by);
      expect(b.trusts).toContain(a.by);
    }),
    { numRuns: 500 },
  );
});
