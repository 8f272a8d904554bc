import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Caller } from '../../../services/kuafu/guard-contract.ts';
import type { Capability } from '../../../services/zhongkui/contract.ts';
import { createGuard } from '../../../services/zhongkui/guard.ts';
import { decodeToken } from '../../../services/zhongkui/tokens/decode-token.ts';
import type { Holding } from '../../../services/zhongkui/tokens/delegate.ts';
import { can, challengeOf, credentialsOf, Stage } from './stage.ts';

const A = 'pangu://local/a';
const B = 'pangu://local/b';
const limited = (resource: string, limits: Capability['limits']): Capability => ({ ...can(resource, 'read', 'write'), limits });

function staged() {
  const stage = new Stage();
  const guard = createGuard({ cluster: 'local', trust: stage.trust, revocations: stage.revocations, clock: stage.clock });
  const challenge = challengeOf();
  const admit = async (holding: Holding): Promise<Caller> => await guard.admit(credentialsOf(holding, challenge), challenge);
  return { stage, admit, issued: async (...capabilities: Capability[]) => stage.issued({ capabilities }) };
}

/** How many of so many calls are let through. */
const passed = (callers: readonly Caller[], calls: number, resources: string | string[] = A, bytes = 1): number => {
  let count = 0;
  for (let i = 0; i < calls; i++) if (callers[i % callers.length]!.limit!('read', resources, bytes) === undefined) count++;
  return count;
};

describe('calls in a second', () => {
  test('are let through as many as the token says, and again as they come back', async () => {
    const { stage, admit, issued } = staged();
    const caller = await admit(await issued(limited(A, { callsPerSecond: 10 })));
    expect(passed([caller], 25)).toBe(10);
    expect(caller.limit!('read', A, 1)).toEqual({ reason: 'more calls than are allowed in a second (10)', retryAfterMs: 100 });
    stage.clock.advance(99);
    expect(passed([caller], 5)).toBe(0);
    stage.clock.advance(1);
    expect(passed([caller], 5)).toBe(1);
    stage.clock.advance(60_000);
    expect(passed([caller], 25)).toBe(10);
    // To be asked what it may do costs nothing.
    for (let i = 0; i < 100; i++) expect(caller.refusal('read', A)).toBeUndefined();
  });

  test('are not counted where nothing limits them', async () => {
    const { admit, issued } = staged();
    expect(passed([await admit(await issued(can(A, 'read')))], 1_000)).toBe(1_000);
    const both = await admit(await issued(limited(A, { callsPerSecond: 1 }), can(B, 'read')));
    expect(passed([both], 1_000, B)).toBe(1_000);
    expect(passed([both], 1_000, A)).toBe(1);
  });

  test('are counted once, whatever they touch below one prefix, and for all prefixes or none', async () => {
    const { stage, admit, issued } = staged();
    const caller = await admit(await issued(limited(A, { callsPerSecond: 4 }), limited(B, { callsPerSecond: 2 })));
    expect(passed([caller], 2, [`${A}/1`, `${A}/2`, `${B}/1`])).toBe(2);
    expect(passed([caller], 5, [A, B])).toBe(0);
    expect(passed([caller], 5, A)).toBe(2);
    stage.clock.advance(1_000);
    expect(passed([caller], 50, A)).toBe(4);
  });

  test('are counted where they name nothing as well, and are free for whoever has any capability of that subsystem without limits', async () => {
    const { admit, issued } = staged();
    const caller = await admit(await issued(limited(A, { callsPerSecond: 2 }), limited(B, { callsPerSecond: 3, bytesPerCall: 9 })));
    expect(caller.limit!('pangu', [], 10)).toBeUndefined();
    expect(caller.limit!('pangu', [], 10)).toBeUndefined();
    expect(caller.limit!('pangu', [], 10)).toMatchObject({ retryAfterMs: expect.any(Number) });
    const unnamed = (who: Caller, scheme: string) =>
      Array.from({ length: 20 }, () => who.limit!(scheme, [], 1)).filter((each) => each === undefined);
    expect(unnamed(caller, 'pangu')).toHaveLength(3);
    expect(unnamed(caller, 'nuwa')).toHaveLength(20);
    const both = await admit(await issued(limited(A, { callsPerSecond: 1 }), can(B, 'read')));
    expect(unnamed(both, 'pangu')).toHaveLength(20);
  });

  test('of several capabilities add up, as capabilities do', async () => {
    const { admit, issued } = staged();
    const caller = await admit(await issued(limited(A, { callsPerSecond: 2 }), limited(`${A}/b`, { callsPerSecond: 3 })));
    expect(passed([caller], 20, `${A}/b/c`)).toBe(5);
  });

  test('are shared by all to whom the token was given on', async () => {
    const { stage, admit, issued } = staged();
    const parent = await issued(limited(A, { callsPerSecond: 5 }));
    const others = await Promise.all(['x', 'y', 'z'].map((name) => stage.delegated(parent, { name: `user/alice/${name}` })));
    const callers = await Promise.all([parent, ...others].map(admit));
    expect(passed(callers, 100)).toBe(5);
  });
});

describe('the bytes of a call', () => {
  test('are as many as the token says at most, and no waiting helps', async () => {
    const { admit, issued } = staged();
    const caller = await admit(await issued(limited(A, { bytesPerCall: 100, callsPerSecond: 5 })));
    expect(caller.limit!('write', A, 100)).toBeUndefined();
    expect(caller.limit!('write', A, 101)).toEqual({ reason: 'the call has 101 bytes, and is allowed 100' });
    // One that was too large took nothing.
    expect(passed([caller], 20)).toBe(4);
  });
});

test('a token says its limits in one form only', async () => {
  const { issued } = staged();
  const { token } = await issued(limited(A, { callsPerSecond: 10, bytesPerCall: 4096 }));
  expect(decodeToken(token).grant.capabilities).toEqual([limited(A, { callsPerSecond: 10, bytesPerCall: 4096 })]);
  const [header, payload, signature] = token.split('.') as [string, string, string];
  const text = Buffer.from(payload, 'base64url').toString();
  expect(text).toContain('"lim":{"cps":10,"bpc":4096}');
  for (const other of [
    '"lim":{"bpc":4096,"cps":10}',
    '"lim":{}',
    '"lim":{"cps":10.0,"bpc":4096}',
    '"lim":{"cps":-1}',
    '"lim":null',
    '"lim":{"cps":10,"x":1}',
    '"lim":{"cps":1e9}',
  ]) {
    const altered = Buffer.from(text.replace('"lim":{"cps":10,"bpc":4096}', other)).toString('base64url');
    expect(() => decodeToken([header, altered, signature].join('.')), other).toThrow(expect.objectContaining({ code: 'TokenMalformed' }));
  }
});

test('all that comes from one token together is let through no more often than that token alone would be', async () => {
  const family = fc.record({
    perSecond: fc.integer({ min: 1, max: 6 }),
    children: fc.array(fc.record({ perSecond: fc.integer({ min: 1, max: 6 }), path: fc.constantFrom('', '/b', '/b/c') }), {
      minLength: 1,
      maxLength: 3,
    }),
    calls: fc.array(fc.record({ who: fc.nat(3), path: fc.constantFrom('', '/b', '/b/c'), afterMs: fc.integer({ min: 0, max: 400 }) }), {
      minLength: 20,
      maxLength: 60,
    }),
  });
  let counted = 0;
  await fc.assert(
    fc.asyncProperty(family, async ({ perSecond, children, calls }) => {
      const { stage, admit, issued } = staged();
      const parent = await issued(limited(A, { callsPerSecond: perSecond }));
      const callers = [await admit(parent)];
      for (const { perSecond: own, path } of children)
        callers.push(
          await admit(
            await stage.delegated(parent, { capabilities: [limited(`${A}${path}`, { callsPerSecond: Math.min(own, perSecond) })] }),
          ),
        );
      const startMs = stage.clock.monotonicMs();
      let passed = 0;
      for (const { who, path, afterMs } of calls) {
        stage.clock.advance(afterMs);
        const caller = callers[who % callers.length]!;
        const resource = `${A}${path}`;
        if (caller.refusal('read', resource) !== undefined || caller.limit!('read', resource, 1) !== undefined) continue;
        passed++;
        const allowed = perSecond + ((stage.clock.monotonicMs() - startMs) * perSecond) / 1000;
        if (passed > allowed + 1e-6) throw new Error(`${passed} calls, ${allowed} are allowed`);
      }
      counted += passed;
    }),
    { numRuns: 25 },
  );
  expect(counted).toBeGreaterThan(120);
});
