import { describe, expect, test } from 'vitest';
import { CLOCK_SKEW_MS_MAX, REVOCATION_FRESH_MS } from '../../../../services/zhongkui/contract.ts';
import { timeRefusal } from '../../../../services/zhongkui/core/grant.ts';
import { isDelegatedName, isName } from '../../../../services/zhongkui/core/names.ts';
import { proofText } from '../../../../services/zhongkui/core/proof.ts';
import { applyRevocations, freshUntilMs, hasEnded, parseRevocation } from '../../../../services/zhongkui/core/revocation.ts';

describe('a token in time', () => {
  const grant = { notBeforeMs: 1_000_000, expiresAtMs: 2_000_000 };
  test.each([
    [1_000_000 - CLOCK_SKEW_MS_MAX - 1, 'TokenNotYetValid'],
    [1_000_000 - CLOCK_SKEW_MS_MAX, undefined],
    [1_500_000, undefined],
    [2_000_000 + CLOCK_SKEW_MS_MAX - 1, undefined],
    [2_000_000 + CLOCK_SKEW_MS_MAX, 'TokenExpired'],
  ])('counts from so much before its beginning until so much after its end: at %d %s', (nowMs, code) => {
    expect(timeRefusal(grant, nowMs)?.code).toBe(code);
  });

  test('never counts when its links leave no time between them', () => {
    expect(timeRefusal({ notBeforeMs: 2_000_000, expiresAtMs: 2_000_000 }, 2_000_000)?.code).toBe('TokenExpired');
  });
});

describe('revocations', () => {
  test('end a token by any link or key on its way, the earliest first', () => {
    const list = new Map([
      ['parent', { expiresAtMs: 9, reason: 'left', fromMs: 5 }],
      ['key', { expiresAtMs: 9, reason: 'lost', fromMs: 3 }],
    ]);
    expect(applyRevocations(['id', 'parent', 'key'], list)).toEqual({ of: 'key', fromMs: 3, reason: 'lost' });
    expect(applyRevocations(['id'], list)).toBeUndefined();
    list.set('parent', { expiresAtMs: 9, reason: 'left at once' } as never);
    expect(applyRevocations(['id', 'parent', 'key'], list)).toMatchObject({ of: 'parent', fromMs: Number.NEGATIVE_INFINITY });
  });

  test.each(['', '{', '[]', 'null', '{"expiresAtMs":"1","reason":"x"}', '{"expiresAtMs":1}'])(
    'count, at once and for ever, if they cannot be read: %j',
    (text) => {
      const revocation = parseRevocation(text);
      expect(revocation.fromMs).toBeUndefined();
      expect(hasEnded(revocation, Number.MAX_SAFE_INTEGER)).toBe(false);
    },
  );

  test('are forgotten only when no clock can have a token that they end', () => {
    const revocation = { expiresAtMs: 1_000, reason: 'x' };
    expect(hasEnded(revocation, 1_000 + CLOCK_SKEW_MS_MAX)).toBe(false);
    expect(hasEnded(revocation, 1_001 + 2 * CLOCK_SKEW_MS_MAX)).toBe(true);
  });

  test('are fresh for a stated time', () => {
    expect(freshUntilMs(7)).toBe(7 + REVOCATION_FRESH_MS);
  });
});

describe('a name', () => {
  test.each([
    ['user/alice', true],
    ['service/pangu-master', true],
    ['attempt/run-1/map/12/3', true],
    ['user/alice@example.com', true],
    ['alice', false],
    ['user/', false],
    ['user//a', false],
    ['user/..', false],
    ['user/../service/x', false],
    ['root/alice', false],
    ['user/al ice', false],
    ['user/alice\n', false],
    [`user/${'a'.repeat(600)}`, false],
  ])('%j: %s', (name, valid) => {
    expect(isName(name)).toBe(valid);
  });

  test.each([
    ['user/alice', 'user/alice', true],
    ['user/alice/laptop', 'user/alice', true],
    ['user/alicia', 'user/alice', false],
    ['user/bob', 'user/alice', false],
    ['service/pangu-master', 'user/alice', false],
    ['attempt/r/t/0/1', 'service/fuxi', true],
  ])('%s may be given by %s: %s', (name, parent, may) => {
    expect(isDelegatedName(name, parent)).toBe(may);
  });
});

describe('the text of a proof', () => {
  const facts = { cluster: 'local', nonce: new Uint8Array(32).fill(1), tokenDigest: new Uint8Array(32).fill(2) };
  const hex = (each: Parameters<typeof proofText>[0]): string => Buffer.from(proofText(each)).toString('hex');

  test('is the one that the README tells other languages', () => {
    const field = (bytes: string): string => (bytes.length / 2).toString(16).padStart(8, '0') + bytes;
    const text = (word: string): string => Buffer.from(word).toString('hex');
    expect(hex(facts)).toBe(
      text('feitian proof 1\0') + field(text('local')) + field('01'.repeat(32)) + field('00') + field('02'.repeat(32)),
    );
    expect(hex({ ...facts, binding: Uint8Array.of(9) })).toContain(`${field('0109')}`);
  });

  test('is another one for each fact, also where bytes move from one to the next', () => {
    const others = [
      { ...facts, cluster: 'loca' },
      { ...facts, cluster: 'local\x01' },
      { ...facts, nonce: new Uint8Array(33).fill(1) },
      { ...facts, binding: new Uint8Array() },
      { ...facts, binding: Uint8Array.of(0) },
      { ...facts, tokenDigest: new Uint8Array(32).fill(3) },
    ];
    expect(new Set([facts, ...others].map(hex)).size).toBe(7);
  });
});
