import { describe, expect, it } from 'vitest';
import { SessionClock } from '../../../../services/nuwa/core/session-clock.ts';
import type { Session } from '../../../../services/nuwa/core/tree/state.ts';
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

  it('begin with a whole TTL when they are opened', () => {
    const script = new TreeScript();
    const clock = new SessionClock();
    for (let nowMs = 0; nowMs <= 3_000; nowMs += EVERY_MS) clock.due(script.state, nowMs, EVERY_MS);
    script.apply({ kind: 'openSession', session: 's3', ttlMs: 300, creator: 'three' });
    expect(clock.touch(script.state, 's3', 3_050)).toBe(true);
    expect(clock.due(script.state, 3_300, 300)).toEqual([]);
    expect(clock.due(script.state, 3_350, 300)).toEqual(['s3']);
  });

  it('that nobody told of are found all the same', () => {
    const script = new TreeScript();
    const clock = new SessionClock();
    clock.due(script.state, 0, EVERY_MS);
    script.apply({ kind: 'closeSession', session: 's1', why: 'closed' });
    script.apply({ kind: 'openSession', session: 's3', ttlMs: 300, creator: 'three' });
    script.apply({ kind: 'openSession', session: 's4', ttlMs: 400, creator: 'four' });
    const due: string[] = [];
    for (let nowMs = 100; nowMs <= 600; nowMs += EVERY_MS)
      due.push(...clock.due(script.state, nowMs, EVERY_MS).map((id) => `${id}@${nowMs}`));
    expect(due).toEqual(['s3@400', 's4@500']);
  });

  it('whose closing failed have a whole TTL again', () => {
    const clock = new SessionClock();
    expect(lookUntil(clock, 0, 5_000)).toEqual(['s1@5000', 's2@5000']);
    clock.closed('s1');
    expect(clock.touch(state, 's2', 5_050)).toBe(false);
    expect(clock.touch(state, 's1', 5_050)).toBe(true);
    expect(lookUntil(clock, 5_100, 20_000)).toEqual(['s1@10100']);
  });

  it('that have ended are forgotten', () => {
    const script = new TreeScript();
    const clock = new SessionClock();
    clock.due(script.state, 0, EVERY_MS);
    script.apply({ kind: 'closeSession', session: 's1', why: 'closed' });
    clock.closed('s1');
    expect(clock.touch(script.state, 's1', 100)).toBe(false);
    const due: string[] = [];
    for (let nowMs = 100; nowMs <= 9_000; nowMs += EVERY_MS) due.push(...clock.due(script.state, nowMs, EVERY_MS));
    expect(due).toEqual(['s2']);
  });

  it('by the hundred thousand are looked at when they are due, not at each look', () => {
    const script = new TreeScript();
    for (let i = 0; i < 100_000; i++) script.apply({ kind: 'openSession', session: `many-${i}`, ttlMs: 10_000, creator: 'many' });
    for (const session of ['s1', 's2']) script.apply({ kind: 'closeSession', session, why: 'closed' });
    const clock = new SessionClock();
    clock.due(script.state, 0, EVERY_MS);
    const sessions = new CountedSessions(script.state.sessions);
    const counted = { ...script.state, sessions };
    for (let nowMs = 100; nowMs < 10_000; nowMs += EVERY_MS) clock.due(counted, nowMs, EVERY_MS);
    expect(sessions.looks).toBe(0);
    expect(clock.due(counted, 10_000, EVERY_MS).length).toBe(100_000);
    expect(sessions.looks).toBe(100_000);
  });
});

class CountedSessions extends Map<string, Session> {
  looks = 0;

  override has(id: string): boolean {
    this.looks++;
    return super.has(id);
  }

  override values(): ReturnType<Map<string, Session>['values']> {
    throw new Error('a scan of all sessions');
  }
}
