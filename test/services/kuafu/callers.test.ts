import { beforeEach, expect, test } from 'vitest';
import { ManualClock } from '../../../services/base/clock.ts';
import { silentLogger } from '../../../services/base/log.ts';
import { Alarm } from '../../../services/kuafu/alarm.ts';
import { FRAME_KINDS, type Frame, type FrameKind } from '../../../services/kuafu/core/frame.ts';
import { Admission } from '../../../services/kuafu/server/admission.ts';
import { Callers, REFUSED_IN_A_ROW_MAX } from '../../../services/kuafu/server/callers.ts';
import { TestGuard, TestIdentity } from './guard-under-test.ts';

/** What waits while a guard decides who calls: requests, and what follows them. */
const { request, data, end } = FRAME_KINDS;
let guard: TestGuard;
let callers: Callers;
let open: () => void;
let resumed: string[];
let overloaded: number[];
let clock: ManualClock;
let underWay: { requests: number; bytes: number };

beforeEach(() => {
  guard = new TestGuard();
  guard.gate = new Promise((resolve) => {
    open = resolve;
  });
  resumed = [];
  overloaded = [];
  underWay = { requests: 0, bytes: 0 };
  clock = new ManualClock();
  callers = new Callers({
    admission: new Admission(guard, 'local'),
    binding: undefined,
    clock,
    alarm: new Alarm(clock),
    log: silentLogger,
    resume: ({ kind, id, body, number }) => resumed.push(`${kind} ${id} ${body} ${callers.callerOf(number).name}`),
    changed() {},
    overloaded: (id) => overloaded.push(id),
    counted: (requests, bytes) => {
      underWay.requests += requests;
      underWay.bytes += bytes;
    },
  });
});

const frame = (kind: FrameKind, id: number, text: string, number = 0): Frame => ({
  kind,
  id,
  number,
  flags: 0,
  body: Buffer.from(text),
  attachment: Buffer.alloc(0),
});

function identify(slot: number, name: string): void {
  const { token, proof } = new TestIdentity(name).present(callers.challenge);
  expect(callers.identify(frame(FRAME_KINDS.identify, slot, ''), [token, proof])).toBeUndefined();
}

/** What is wrong with the frame that brings credentials, if anything is. */
function show(slot: number, name: string): string | undefined {
  const { token, proof } = new TestIdentity(name).present(callers.challenge);
  return callers.identify(frame(FRAME_KINDS.identify, slot, ''), [token, proof]);
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('requests and the messages that follow them go on in the order in which they came', async () => {
  identify(1, 'user/a');
  const body = Buffer.from('first');
  expect(callers.maybeWait({ ...frame(request, 7, '', 1), body })).toBe(true);
  body.fill(0); // a read buffer is used again
  expect(callers.maybeFollow(frame(data, 7, 'm0'))).toBe(true);
  expect(callers.maybeWait(frame(request, 8, 'other', 1))).toBe(true);
  expect(callers.maybeFollow(frame(data, 7, 'm1', 1))).toBe(true);
  expect(callers.maybeFollow(frame(end, 7, ''))).toBe(true);
  expect(callers.maybeFollow(frame(data, 9, 'of another call'))).toBe(false);
  expect(underWay).toEqual({ requests: 2, bytes: 10 });
  open();
  await settled();
  expect(resumed).toEqual([
    `${request} 7 first user/a`,
    `${data} 7 m0 nobody`,
    `${request} 8 other user/a`,
    `${data} 7 m1 user/a`,
    `${end} 7  nobody`,
  ]);
  expect(underWay).toEqual({ requests: 0, bytes: 0 });
  expect(callers.maybeFollow(frame(data, 7, 'm2'))).toBe(false);
});

test('a request that waits is known by its id until it goes on', async () => {
  identify(1, 'user/a');
  expect(callers.maybeWait(frame(request, 7, 'once', 1))).toBe(true);
  expect([callers.isWaiting(7), callers.isWaiting(8)]).toEqual([true, false]);
  open();
  await settled();
  expect(callers.isWaiting(7)).toBe(false);
  expect(resumed).toEqual([`${request} 7 once user/a`]);
});

test('what was given up is gone, with all that followed it', async () => {
  identify(1, 'user/a');
  callers.maybeWait(frame(request, 7, 'gone', 1));
  callers.maybeFollow(frame(data, 7, 'm0'));
  callers.maybeWait(frame(request, 8, 'kept', 1));
  expect([callers.withdraw(7), callers.withdraw(7), callers.waiting]).toEqual([true, false, 1]);
  open();
  await settled();
  expect(resumed).toEqual([`${request} 8 kept user/a`]);
  expect(underWay).toEqual({ requests: 0, bytes: 0 });
});

test.each([
  ['large messages', 5 * 1024 * 1024, 1],
  ['empty messages', 0, 20_000],
])('%s do not pile up behind a request that waits', async (_name, bytes, count) => {
  identify(1, 'user/a');
  callers.maybeWait(frame(request, 7, 'flooded', 1));
  callers.maybeWait(frame(request, 8, 'kept', 1));
  for (let i = 0; i < count; i++) callers.maybeFollow({ ...frame(data, 7, ''), attachment: Buffer.alloc(bytes) });
  expect(overloaded).toEqual([7]);
  expect(callers.maybeFollow(frame(data, 8, 'm0'))).toBe(true); // there is room again
  open();
  await settled();
  expect(resumed).toEqual([`${request} 8 kept user/a`, `${data} 8 m0 nobody`]);
});

test('new credentials for a slot that is being looked at take over what waits', async () => {
  identify(1, 'user/a');
  callers.maybeWait(frame(request, 7, 'x', 1));
  identify(1, 'user/b');
  expect(callers.maybeFollow(frame(data, 7, 'm0'))).toBe(true);
  open();
  await settled();
  expect(resumed).toEqual([`${request} 7 x user/b`, `${data} 7 m0 nobody`]);
});

test('nothing goes on once the connection is closed, and nothing counts', async () => {
  identify(1, 'user/a');
  callers.maybeWait(frame(request, 7, 'x', 1));
  callers.close();
  expect(underWay).toEqual({ requests: 0, bytes: 0 });
  open();
  await settled();
  expect(resumed).toEqual([]);
});

test('a connection that brings nothing but credentials that are refused is ended after so many', () => {
  guard.gate = undefined;
  for (let i = 0; i < REFUSED_IN_A_ROW_MAX; i++) expect(show(1 + (i % 3), 'forged')).toBeUndefined();
  expect(show(1, 'forged')).toMatch(/32 in a row that were refused/);
  expect(show(2, 'user/late')).toMatch(/32 in a row/);
});

test('one that somebody uses is kept, and more of them are looked at once a second', () => {
  guard.gate = undefined;
  expect(show(9, 'user/a')).toBeUndefined();
  for (let i = 0; i < 10 * REFUSED_IN_A_ROW_MAX; i++) expect(show(1, 'forged')).toBeUndefined();
  expect(callers.callerOf(9).name).toBe('user/a');
  expect(callers.failureOf(1)?.reason).toMatch(/too many credentials/);
  expect(show(2, 'user/b')).toBeUndefined();
  expect(callers.callerOf(2).name).toBe('nobody');
  clock.advance(1_000);
  expect(show(2, 'user/b')).toBeUndefined();
  expect(callers.callerOf(2).name).toBe('user/b');
  // From here on all is as at the beginning.
  expect(show(1, 'forged')).toBeUndefined();
  expect(callers.failureOf(1)?.reason).toMatch(/nobody signed this/);
});
