import { describe, expect, it } from 'vitest';
import { type Random, seededRandom } from '../../../../../services/base/random.ts';
import { type CommandBatch, decodeBatch, decodeHead, encodeBatch } from '../../../../../services/nuwa/core/member/batch.ts';
import type { Change, Check, Command, Write } from '../../../../../services/nuwa/core/tree/command.ts';

const SEED = Number(process.env.FEITIAN_SEED ?? Date.now() % 1_000_000);

/** An absent option and one that is off mean the same to the tree; bytes are compared by what they hold. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, field]) => (field ? [[key, plain(field)]] : field === 0 ? [[key, 0]] : [])),
  );
}

const INTEGERS = [
  0,
  1,
  127,
  128,
  16_383,
  16_384,
  2 ** 28 - 1,
  2 ** 28,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32,
  2 ** 35 + 77,
  Number.MAX_SAFE_INTEGER,
];
const TEXTS = ['', '/', '/a/b', 'é'.repeat(3), '/飞天/节点', '🚀', '\ud800', 'x\udc00y', 'k'.repeat(200), '\0', '\u00ff\u0100'];

function randomBatch(random: Random): CommandBatch {
  const pick = <T>(from: readonly T[]): T => from[random.int(from.length)]!;
  const maybe = <T>(make: () => T): T | undefined => (random.int(2) ? make() : undefined);
  const flag = () => pick([true, false, undefined]);
  const value = () => Uint8Array.from({ length: pick([0, 1, 3, 256, 70_000]) }, () => random.int(256));
  const signed = () => pick(INTEGERS) * pick([1, -1]) + 0; // never -0
  const acl = () => Array.from({ length: random.int(3) }, () => ({ permissions: signed(), scheme: pick(TEXTS), id: pick(TEXTS) }));
  const guard = () => ({ version: maybe(signed), createRevision: maybe(signed) });
  const change = (): Change => {
    const path = pick(TEXTS);
    switch (random.int(4)) {
      case 0: {
        const options = { ephemeral: flag(), sequential: flag(), parents: flag(), replace: flag(), container: flag(), noValue: flag() };
        return { kind: 'create', path, value: value(), ...options, ttlMs: maybe(signed), acl: maybe(acl) };
      }
      case 1:
        return { kind: 'set', path, value: value(), noValue: flag(), ...guard() };
      case 2:
        return { kind: 'delete', path, recursive: flag(), ...guard() };
      default:
        return { kind: 'setAcl', path, acl: acl(), aclVersion: maybe(signed) };
    }
  };
  const check = (): Check => ({ kind: 'check', path: pick(TEXTS), absent: flag(), ...guard() });
  const write = (): Write => {
    const identities = maybe(() => Array.from({ length: random.int(3) }, () => pick(TEXTS)));
    const id = { session: pick(TEXTS), request: pick(INTEGERS), settled: pick(INTEGERS), identities, wantStat: flag() };
    if (random.int(3)) return { ...change(), ...id };
    return { kind: 'transaction', operations: Array.from({ length: random.int(6) }, () => (random.int(3) ? change() : check())), ...id };
  };
  const command = (): Command => {
    switch (random.int(8)) {
      case 0:
        return {
          kind: 'openSession',
          session: pick(TEXTS),
          ttlMs: pick(INTEGERS),
          creator: pick(TEXTS),
          password: maybe(value),
          holder: maybe(() => pick(TEXTS)),
        };
      case 1:
        return { kind: 'closeSession', session: pick(TEXTS), why: pick(['closed', 'expired'] as const) };
      case 2:
        return { kind: 'reap', path: pick(TEXTS), createRevision: pick(INTEGERS), modifyRevision: pick(INTEGERS) };
      default:
        return write();
    }
  };
  return { origin: pick(TEXTS), firstId: signed(), commands: Array.from({ length: random.int(12) }, command) };
}

describe(`a batch of commands (seed ${SEED})`, () => {
  it('comes back as it was, whatever is in it', () => {
    const random = seededRandom(SEED);
    for (let i = 0; i < 500; i++) {
      const batch = randomBatch(random);
      const bytes = encodeBatch(batch);
      expect(plain(decodeBatch(bytes)), `seed ${SEED}, batch ${i}`).toEqual(plain(batch));
      expect(decodeHead(bytes)).toEqual({ origin: batch.origin, firstId: batch.firstId });
    }
  });

  it('is the same bytes for the same commands, also after an encoding that failed midway', () => {
    const batch: CommandBatch = { origin: 'a#1', firstId: 7, commands: [{ kind: 'closeSession', session: 's', why: 'closed' }] };
    const before = encodeBatch(batch);
    const broken = { ...batch, commands: [...batch.commands, { kind: 'nothing' } as unknown as Command] };
    expect(() => encodeBatch(broken)).toThrow();
    expect(encodeBatch(batch)).toEqual(before);
  });

  it('says in its first byte how it is to be read', () => {
    const bytes = encodeBatch({ origin: 'a#1', firstId: 1, commands: [] });
    bytes[0] = 99;
    expect(() => decodeBatch(bytes)).toThrow('a batch of format 99');
  });
});
