import type { Random } from '../../../../../services/base/random.ts';
import type { Acl } from '../../../../../services/nuwa/contract.ts';
import { applyBatch } from '../../../../../services/nuwa/core/tree/apply.ts';
import type { Change, Check, Command, RequestId } from '../../../../../services/nuwa/core/tree/command.ts';
import { dueForReaping } from '../../../../../services/nuwa/core/tree/reap.ts';
import { newState } from '../../../../../services/nuwa/core/tree/state.ts';
import { bytes } from './script.ts';

const NAMES = ['a', 'b', 'c'];
const SESSIONS = ['s1', 's2', 's3'];
const ALICE = { scheme: 'digest', id: 'alice:x' };
const WORLD = { scheme: 'world', id: 'anyone' };
const ACLS: Acl[] = [
  [{ permissions: 31, ...WORLD }],
  [{ permissions: 1, ...WORLD }],
  [{ permissions: 31, ...ALICE }],
  [
    { permissions: 15, ...ALICE },
    { permissions: 16, ...WORLD },
    { permissions: 15, ...ALICE },
  ],
  [],
  [{ permissions: 31, scheme: 'host', id: 'here' }],
];

/** The time of an entry follows from its index alone. */
export function timeOf(index: number): number {
  return 1_000 + index * 1_000;
}

/**
 * Entries of a log, with none to four commands each, over few names and few sessions, so that the commands meet. One in eight is a copy of an
 * earlier one. What is due to be reaped is asked of a tree that lives through them, and comes some entries later, as from a slow leader.
 */
export function randomEntries(random: Random, count: number): Command[][] {
  const make = new Maker(random);
  const state = newState();
  const reaps: Command[] = [];
  const entries: Command[][] = [];
  for (let index = 1; index <= count; index++) {
    const entry: Command[] = [];
    while (entry.length < 4 && random.int(5) < 3) entry.push(make.command());
    if (random.int(4) === 0) entry.push(...reaps.splice(0));
    if (random.int(4) === 0) reaps.push(...dueForReaping(state, timeOf(index)));
    applyBatch(state, entry, { index, nowMs: timeOf(index) });
    entries.push(entry);
  }
  return entries;
}

export class Maker {
  readonly #random: Random;
  readonly #made: Command[] = [];
  readonly #requests = new Map<string, number>();

  constructor(random: Random) {
    this.#random = random;
  }

  command(): Command {
    const command = this.#made.length > 0 && this.#chance(8) ? this.#pick(this.#made) : this.#fresh();
    this.#made.push(command);
    return command;
  }

  operations(countMax: number): (Change | Check)[] {
    return Array.from({ length: 1 + this.#random.int(countMax) }, () => (this.#chance(4) ? this.#check() : this.change()));
  }

  change(): Change {
    const roll = this.#random.int(20);
    const path = this.#path();
    const given = this.#chance(6)
      ? { value: bytes(''), noValue: true }
      : { value: bytes('v'.repeat(this.#random.int(4)) + String(this.#random.int(1_000))) };
    if (roll < 11) {
      const kinds = [
        {},
        {},
        { ephemeral: true },
        { ephemeral: true, replace: true },
        { container: true },
        { ttlMs: 1_000 * this.#random.int(40) },
      ];
      const acl = this.#chance(4) ? { acl: this.#pick(ACLS) } : {};
      const clash = this.#chance(20) ? { ephemeral: true, ttlMs: 1_000 } : {};
      return {
        kind: 'create',
        path,
        ...given,
        sequential: this.#chance(4),
        parents: this.#chance(2),
        ...this.#pick(kinds.filter(({ ttlMs }) => ttlMs !== 0)),
        ...clash,
        ...acl,
      };
    }
    if (roll < 15) return { kind: 'set', path, ...given, ...this.#guard() };
    if (roll < 17) return { kind: 'setAcl', path, acl: this.#pick(ACLS), ...(this.#chance(3) ? { aclVersion: this.#random.int(2) } : {}) };
    return { kind: 'delete', path, recursive: this.#chance(3), ...this.#guard() };
  }

  #fresh(): Command {
    const session = this.#pick(SESSIONS);
    const roll = this.#random.int(20);
    if (roll < 2) return { kind: 'openSession', session, ttlMs: 5_000, creator: `c-${session}` };
    if (roll < 3) return { kind: 'closeSession', session, why: this.#chance(2) ? 'closed' : 'expired' };
    const by = this.#by(session);
    return roll < 7 ? { kind: 'transaction', ...by, operations: this.operations(5) } : { ...by, ...this.change() };
  }

  #by(session: string): RequestId {
    const request = this.#chance(5) ? 0 : (this.#requests.get(session) ?? 0) + 1;
    if (request > 0) this.#requests.set(session, request);
    return {
      session,
      request,
      settled: 0,
      ...(this.#chance(3) ? { identities: this.#chance(2) ? ['digest:alice:x'] : [] } : {}),
      ...(this.#chance(3) ? { wantStat: true } : {}),
    };
  }

  #check(): Check {
    return { kind: 'check', path: this.#path(), ...this.#guard(), ...(this.#chance(4) ? { absent: true } : {}) };
  }

  #guard(): { version?: number; createRevision?: number } {
    return {
      ...(this.#chance(3) ? { version: this.#random.int(3) } : {}),
      ...(this.#chance(8) ? { createRevision: this.#random.int(20) } : {}),
    };
  }

  #path(): string {
    if (this.#chance(40)) return this.#pick(['/', 'bad', '/a/', '//', '/..']);
    let made = '';
    for (let depth = 1 + this.#random.int(3); depth > 0; depth--) made += `/${this.#pick(NAMES)}`;
    return made;
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#random.int(from.length)]!;
  }

  #chance(oneIn: number): boolean {
    return this.#random.int(oneIn) === 0;
  }
}
