import { expect, test } from 'vitest';
import { seededRandom } from '../../../../services/base/random.ts';
import { FLAGS, FRAME_KINDS } from '../../../../services/kuafu/core/frame.ts';
import { type Waiting, WaitingFrames } from '../../../../services/kuafu/core/waiting-frames.ts';

interface Numbered extends Waiting {
  n: number;
}
const { request, data, reply, cancel, credit, end, identify } = FRAME_KINDS;

function drain(waiting: WaitingFrames<Numbered>): number[] {
  const order: number[] = [];
  for (let frame = waiting.shift(); frame; frame = waiting.shift()) order.push(frame.n);
  return order;
}

test('of what waits high goes first, low last, and equals as they came', () => {
  const waiting = new WaitingFrames<Numbered>();
  for (const [n, flags] of [FLAGS.low, 0, FLAGS.high, FLAGS.low, FLAGS.high, 0].entries())
    waiting.push({ kind: request, id: n + 1, flags, n }, 1);
  expect(drain(waiting)).toEqual([2, 4, 1, 5, 0, 3]);
});

test('large frames and low ones wait, others pass, but never one of their own call', () => {
  const waiting = new WaitingFrames<Numbered>();
  const small = (id: number, kind: Waiting['kind'] = data, flags = 0): boolean => waiting.mustWait({ kind, id, flags, n: 0 }, false);
  expect(waiting.mustWait({ kind: data, id: 1, n: 0 }, true)).toBe(true);
  expect(small(1)).toBe(false);
  expect(small(1, data, FLAGS.low)).toBe(true);
  waiting.push({ kind: data, id: 1, n: 0 }, 100);
  expect(small(1)).toBe(true);
  expect(small(1, end)).toBe(true);
  expect(small(2)).toBe(false);
  expect(small(1, cancel)).toBe(false);
  expect(small(1, credit)).toBe(false);
  expect(small(1, identify)).toBe(false); // its id is no call's
  waiting.shift();
  expect(small(1)).toBe(false);
});

test('a call that is withdrawn leaves nothing, and says whether the other end has heard of it', () => {
  const waiting = new WaitingFrames<Numbered>();
  waiting.push({ kind: request, id: 1, n: 0 }, 10);
  waiting.push({ kind: data, id: 1, n: 1 }, 10);
  waiting.push({ kind: data, id: 2, n: 2 }, 10);
  waiting.push({ kind: reply, id: 3, n: 3 }, 10);
  expect(waiting.withdraw(1)).toBe(true);
  expect(waiting.withdraw(1)).toBe(false);
  expect(waiting.withdraw(2)).toBe(false);
  expect(waiting.withdraw(3)).toBe(true);
  expect([waiting.size, waiting.bytes, waiting.shift()]).toEqual([0, 0, undefined]);
});

test('whatever comes and goes, each call keeps its order and nothing is lost', () => {
  for (let seed = 1; seed <= 100; seed++) {
    const random = seededRandom(seed);
    const waiting = new WaitingFrames<Numbered>();
    const went = new Map<number, number[]>();
    const came = new Map<number, number[]>();
    const take = (): void => {
      const frame = waiting.shift();
      if (frame) went.set(frame.id, [...(went.get(frame.id) ?? []), frame.n]);
    };
    for (let n = 0; n < 200; n++) {
      const id = 1 + random.int(5);
      const frame = { kind: data, id, flags: [0, FLAGS.high, FLAGS.low][random.int(3)]!, n };
      if (waiting.mustWait(frame, random.int(3) === 0)) waiting.push(frame, 1);
      else went.set(id, [...(went.get(id) ?? []), n]);
      came.set(id, [...(came.get(id) ?? []), n]);
      if (random.int(2) === 0) take();
    }
    while (waiting.size > 0) take();
    expect(went, `seed ${seed}`).toEqual(came);
    expect(waiting.bytes, `seed ${seed}`).toBe(0);
  }
});
