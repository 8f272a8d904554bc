import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../services/base/random.ts';
import { Deadlines } from '../../../../services/nuwa/core/deadlines.ts';

describe('deadlines', () => {
  it('are due when looking at all of them says so, however they move', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = seededRandom(seed);
      const deadlines = new Deadlines<number>(1 + random.int(50));
      const at = new Map<number, number>();
      let nowMs = 0;
      for (let step = 0; step < 400; step++) {
        const key = random.int(40);
        const roll = random.int(10);
        if (roll < 4) {
          at.set(key, nowMs + random.int(500));
          deadlines.file(key, at.get(key)!);
        } else if (roll < 6 && at.has(key)) {
          at.set(key, at.get(key)! + random.int(500)); // moves away: not told
        } else if (roll < 7) {
          at.delete(key);
          deadlines.drop(key);
        } else {
          nowMs += random.int(100);
          const due = deadlines.due(nowMs, (each) => at.get(each)!);
          const wanted = [...at].filter(([, deadlineMs]) => deadlineMs <= nowMs).map(([each]) => each);
          expect(
            due.sort((a, b) => a - b),
            `seed ${seed}, step ${step}`,
          ).toEqual(wanted.sort((a, b) => a - b));
          for (const each of due) {
            if (random.int(2) === 0) continue;
            at.delete(each);
            deadlines.drop(each);
          }
        }
        expect(deadlines.size).toBe(at.size);
        expect(deadlines.has(key)).toBe(at.has(key));
      }
    }
  });

  it('are looked at about once per deadline, not once per look', () => {
    const deadlines = new Deadlines<number>(100);
    const at = new Map<number, number>();
    for (let key = 0; key < 1_000; key++) {
      at.set(key, 5_000);
      deadlines.file(key, 5_000);
    }
    let looks = 0;
    for (let nowMs = 0; nowMs < 60_000; nowMs += 100) {
      for (let key = 0; key < 1_000; key++) at.set(key, nowMs + 5_000);
      deadlines.due(nowMs, (key) => {
        looks++;
        return at.get(key)!;
      });
    }
    expect(looks).toBeLessThanOrEqual(12 * 1_000);
  });

  it('that are due and more than were asked for come at the next look', () => {
    const deadlines = new Deadlines<number>(100);
    for (let key = 0; key < 10; key++) deadlines.file(key, key);
    const take = (): number[] => {
      const due = deadlines.due(50, (key) => key, { dueMax: 4, looksMax: 100 });
      for (const key of due) deadlines.drop(key);
      return due;
    };
    expect([take(), take(), take(), take()]).toEqual([[0, 1, 2, 3], [4, 5, 6, 7], [8, 9], []]);
  });

  it('that moved and are more than may be looked at wait, and keep none that is due from coming at last', () => {
    const deadlines = new Deadlines<number>(100);
    for (let key = 0; key < 1_000; key++) deadlines.file(key, 0);
    const at = (key: number): number => (key === 900 ? 50 : 10_000);
    let looks = 0;
    const looked = (key: number): number => {
      looks++;
      return at(key);
    };
    const due: number[] = [];
    for (let call = 0; call < 12; call++) {
      const before = looks;
      due.push(...deadlines.due(60, looked, { dueMax: 10, looksMax: 100 }));
      for (const key of due) deadlines.drop(key);
      expect(looks - before).toBeLessThanOrEqual(100);
    }
    expect(due).toEqual([900]);
    expect(looks).toBe(1_000);
    expect(deadlines.size).toBe(999);
  });
});
