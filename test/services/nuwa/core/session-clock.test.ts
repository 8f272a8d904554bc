import { describe, expect, it } from 'vitest';
import { SessionClock } from '../../../../services/nuwa/core/session-clock.ts';
import { TreeScript } from './tree/script.ts';

/** Sessions s1 and s2 with a TTL of 5 s; the clock is looked at every 100 ms. */
const { state } = new TreeScript();
const EVERY_MS = 100;

function lookUntil(clock: SessionClock, fromMs: number, toMs: number): string[] {
  const due: string[] = [];
  for (let nowMs = fromMs; nowMs <= toMs; nowMs += EVERY_MS) for (const id of clock.due(state, nowMs, EVERY_MS)) due.push(`${id}@${nowMs}`);
  return due;
}

describe('sessions in time', () => {
  it('are due once, a whole TTL after they were last heard of', () => {
    const clock = new SessionClock();
    expect(lookUntil(clock, 0, 3_000)).toEqual([]);
    expect(clock.touch(state, 's1', 3_000)).toBe(true);
    expect(lookUntil(clock, 3_100, 20_000)).toEqual(['s2@5000', 's1@8000']);
  });

  it('are not kept alive any more once they are due', () => {
    const clock = new SessionClock();
    lookUntil(clock, 0, 5_000);
    expect(clock.touch(state, 's1', 5_001)).toBe(false);
    expect(clock.touch(state, 'unknown', 5_001)).toBe(false);
  });

  it('get the time back in which this process stood still', () => {
    const clock = new SessionClock();
    expect(lookUntil(clock, 0, 3_000)).toEqual([]);
    expect(lookUntil(clock, 63_000, 70_000)).toEqual(['s1@64900', 's2@64900']);
  });

  it('never have more than a whole TTL left', () => {
    const clock = new SessionClock();
    lookUntil(clock, 0, 1_000);
    clock.touch(state, 's1', 60_000);
    expect(lookUntil(clock, 60_100, 70_000)).toEqual(['s2@64000', 's1@65100']);
  });
});
