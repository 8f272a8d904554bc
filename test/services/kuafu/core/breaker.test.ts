import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../../services/base/random.ts';
import { type Breaker, begin, CLOSED, end, isBlank, lets, type Outcome } from '../../../../services/kuafu/core/breaker.ts';

/** Each step is an outcome at a time, or the beginning of a call; what is asked is the state it leads to. */
type Step = [atMs: number, what: Outcome | 'begin'];

function run(steps: readonly Step[], from: Breaker = CLOSED): Breaker {
  return steps.reduce((breaker, [atMs, what]) => (what === 'begin' ? begin(breaker, atMs) : end(breaker, what, atMs)), from);
}

const OPEN = run([[0, 'unanswered']]);

describe('a breaker', () => {
  test.each<[string, Step[], Partial<Breaker>]>([
    ['is closed and blank after answers', [[0, 'answered']], CLOSED],
    ['stays closed after one break', [[0, 'broke']], { kind: 'closed', inRow: 1 }],
    ['stays closed when an answer comes between breaks', [[0, 'broke'], [1, 'broke'], [2, 'answered'], [3, 'broke'], [4, 'broke']], { kind: 'closed', inRow: 2 }], // biome-ignore format: one case a line
    ['opens at the third break in a row', [[0, 'broke'], [1, 'broke'], [2, 'broke']], { kind: 'open', untilMs: 502 }], // biome-ignore format: one case a line
    ['opens at the first try that is left unanswered', [[0, 'unanswered']], { kind: 'open', untilMs: 500 }],
    ['learns nothing from callers that gave up', [[0, 'abandoned'], [1, 'abandoned'], [2, 'abandoned']], CLOSED], // biome-ignore format: one case a line
    ['counts calls that fail together once', [[0, 'unanswered'], [1, 'unanswered'], [2, 'broke']], { kind: 'open', untilMs: 500 }], // biome-ignore format: one case a line
    ['closes by a late answer', [[0, 'unanswered'], [100, 'answered']], CLOSED], // biome-ignore format: one case a line
  ])('%s', (_name, steps, state) => {
    expect(run(steps)).toMatchObject(state);
  });

  test('lets nobody pass while it is open, and one when its time is up', () => {
    expect(lets(OPEN, 499)).toBe(false);
    expect(lets(OPEN, 500)).toBe(true);
    expect(begin(OPEN, 499)).toBe(OPEN); // all were unwell, one was asked all the same
    const probing = begin(OPEN, 500);
    expect(probing).toMatchObject({ kind: 'halfOpen', probing: true });
    expect(lets(probing, 501)).toBe(false);
  });

  test('closes when its probe is answered, and lets the next one try when the probe was given up', () => {
    const probing = begin(OPEN, 500);
    expect(end(probing, 'answered', 510)).toBe(CLOSED);
    expect(lets(end(probing, 'abandoned', 510), 510)).toBe(true);
  });

  test('is left alone twice as long with each probe that fails, up to 8 s', () => {
    let breaker = OPEN;
    let atMs = 500;
    const lasted: number[] = [];
    for (let i = 0; i < 6; i++) {
      breaker = end(begin(breaker, atMs), i % 2 ? 'broke' : 'unanswered', atMs);
      if (breaker.kind !== 'open') throw new Error('not open');
      lasted.push(breaker.untilMs - atMs);
      atMs = breaker.untilMs;
    }
    expect(lasted).toEqual([1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
  });

  test('opens when half of 20 tries within 10 s failed, though never three in a row', () => {
    const alternating = Array.from({ length: 20 }, (_, i): Step => [i * 400, i % 2 ? 'answered' : 'broke']);
    expect(run(alternating).kind).toBe('closed'); // 10 of 20, and the last was an answer: failures are what is looked at
    expect(run([...alternating, [8_000, 'broke']]).kind).toBe('open');
    const slowly = alternating.map(([atMs, what]): Step => [atMs * 10, what]);
    expect(run([...slowly, [80_000, 'broke']]).kind).toBe('closed');
  });

  test('forgets a failure after 10 s', () => {
    const once = run([[0, 'broke']]);
    expect(isBlank(once, 10_000)).toBe(false);
    expect(isBlank(once, 10_001)).toBe(true);
    expect(end(once, 'answered', 10_001)).toBe(CLOSED);
  });

  test('whatever happens, it lets a call through again within 8 s, and one at a time', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = seededRandom(seed);
      let breaker: Breaker = CLOSED;
      let nowMs = 0;
      let probes = 0;
      for (let step = 0; step < 200; step++) {
        nowMs += random.int(1_000);
        const before = breaker.kind;
        if (random.int(2) === 0) {
          const may = lets(breaker, nowMs);
          breaker = begin(breaker, nowMs);
          if (may && before !== 'closed') probes++;
          if (may && breaker.kind === 'halfOpen') expect(lets(breaker, nowMs), `seed ${seed}`).toBe(false);
        } else breaker = end(breaker, (['answered', 'unanswered', 'broke', 'abandoned'] as const)[random.int(4)]!, nowMs);
        if (breaker.kind === 'open') expect(lets(breaker, nowMs + 8_000), `seed ${seed}`).toBe(true);
      }
      expect(probes, `seed ${seed}`).toBeGreaterThan(0);
    }
  });
});
