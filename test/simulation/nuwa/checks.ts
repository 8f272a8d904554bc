import type { NuwaEvent } from '../../../services/nuwa/contract.ts';
import type { MemberEffects } from '../../../services/nuwa/core/member/types.ts';
import type { ServerId } from '../../../services/nuwa/core/raft/types.ts';
import { takeSnapshot } from '../../../services/nuwa/core/tree/snapshot.ts';
import { mustHold } from './failure.ts';
import type { SimServer } from './server.ts';

/**
 * What must hold in every group at every moment (figure 3.2 of the dissertation), looked at from outside: leaders per term, disks, and what
 * each server's tree became at each index.
 */
export class Checks {
  readonly #servers: () => readonly SimServer[];
  /** Servers come and go: then a majority is not the same at all times, and copies are not counted. */
  readonly #fixed: boolean;
  readonly #nowMs: () => number;
  readonly #leaders = new Map<number, ServerId>();
  /** By revision: the change, as the first server that applied it made it. */
  readonly events: NuwaEvent[] = [];
  /** By index of the log: the tree's revision after it, and the term of its entry. */
  readonly #applied: { revision: number; term: number | undefined }[] = [];
  readonly #seenIndex = new Map<SimServer, number>();
  readonly #seenRevision = new Map<SimServer, number>();
  /** When each session's end was applied first. */
  readonly #closed = new Map<string, { atMs: number; index: number }>();
  readonly #sessions = new Map<SimServer, Set<string>>();
  leaders = 0;

  constructor(servers: () => readonly SimServer[], options: { fixed: boolean; nowMs: () => number }) {
    this.#servers = servers;
    this.#fixed = options.fixed;
    this.#nowMs = options.nowMs;
  }

  started(server: SimServer): void {
    const { state } = server.member!;
    this.#seenIndex.set(server, state.index);
    this.#seenRevision.set(server, state.revision);
    this.#sessions.set(server, new Set(state.sessions.keys()));
  }

  stepped(server: SimServer, effects: MemberEffects): void {
    const member = server.member!;
    if (effects.leaderChanged && member.leader === server.id) this.#checkLeader(server);
    const { index, revision } = member.state;
    const seenIndex = this.#seenIndex.get(server)!;
    if (index !== seenIndex) {
      mustHold(index > seenIndex, 'state machine safety', () => `${server.id} went back from index ${seenIndex} to ${index}`);
      this.#checkApplied(server, index, revision);
      this.#noteSessions(server, index);
    }
    this.#checkEvents(server, effects, revision);
    this.#seenIndex.set(server, index);
    this.#seenRevision.set(server, revision);
  }

  sessionClosedAtMs(session: string): number | undefined {
    return this.#closed.get(session)?.atMs;
  }

  #checkLeader(server: SimServer): void {
    const { term } = server.member!.status();
    const other = this.#leaders.get(term);
    mustHold(other === undefined || other === server.id, 'election safety', () => `${other} and ${server.id} lead in term ${term}`);
    this.#leaders.set(term, server.id);
    this.leaders++;
  }

  #checkApplied(server: SimServer, index: number, revision: number): void {
    const term = server.disk.termAt(index);
    const known = this.#applied[index];
    if (known) {
      mustHold(
        known.revision === revision,
        'state machine safety',
        () => `${server.id} has revision ${revision} at index ${index}, others ${known.revision}`,
      );
      mustHold(
        known.term === undefined || term === undefined || known.term === term,
        'state machine safety',
        () => `index ${index} has term ${term} at ${server.id}, ${known.term} elsewhere`,
      );
      return;
    }
    this.#applied[index] = { revision, term };
    if (!this.#fixed) return;
    const servers = this.#servers();
    const copies = servers.filter((each) => {
      const there = each.disk.termAt(index);
      return there !== undefined ? term === undefined || there === term : each.disk.snapshot.mark.index > index;
    });
    mustHold(
      copies.length * 2 > servers.length,
      'commitment',
      () => `${server.id} applied index ${index} (term ${term}) with ${copies.length} copies of ${servers.length} on disks`,
    );
  }

  #checkEvents(server: SimServer, { events, eventsMissed }: MemberEffects, revision: number): void {
    let at = this.#seenRevision.get(server)!;
    for (const event of events) {
      at++;
      mustHold(
        eventsMissed || event.revision === at,
        'one event per revision',
        () => `${server.id} told revision ${event.revision} after ${at - 1}`,
      );
      at = event.revision;
      const first = this.events[at];
      if (first)
        mustHold(
          sameEvent(first, event),
          'state machine safety',
          () => `revision ${at} is ${describe(event)} at ${server.id}, ${describe(first)} elsewhere`,
        );
      else this.events[at] = event;
    }
    mustHold(eventsMissed || at === revision, 'one event per revision', () => `${server.id} is at revision ${revision} and told ${at}`);
  }

  /** A session that a late copy of its opening opens again is a new one. */
  #noteSessions(server: SimServer, index: number): void {
    const before = this.#sessions.get(server)!;
    const { sessions } = server.member!.state;
    for (const session of before) {
      if (sessions.has(session)) continue;
      before.delete(session);
      if (!this.#closed.has(session)) this.#closed.set(session, { atMs: this.#nowMs(), index });
    }
    for (const session of sessions.keys()) {
      if (before.has(session)) continue;
      before.add(session);
      if (index > (this.#closed.get(session)?.index ?? index)) this.#closed.delete(session);
    }
  }

  /** At the end, when all has come to rest: the same log gave the same tree, replies and sessions everywhere. */
  equalTrees(members: readonly SimServer[]): void {
    const texts = members.map((server) => JSON.stringify(takeSnapshot(server.member!.state)));
    members.forEach(({ id }, i) => {
      mustHold(
        texts[i] === texts[0],
        'state machine safety',
        () => `at the end ${id} differs from ${members[0]!.id}\n${texts[i]}\n${texts[0]}`,
      );
    });
    for (const a of members) for (const b of members) if (a.id < b.id) this.#logsMatch(a, b);
  }

  #logsMatch(a: SimServer, b: SimServer): void {
    for (const entry of a.disk.entries) {
      const other = b.disk.entries[entry.index - b.disk.snapshot.mark.index - 1];
      if (other?.term !== entry.term) continue;
      mustHold(
        Buffer.compare(entry.data, other.data) === 0,
        'log matching',
        () => `entry ${entry.index} of term ${entry.term} differs between ${a.id} and ${b.id}`,
      );
    }
  }
}

function sameEvent(a: NuwaEvent, b: NuwaEvent): boolean {
  return a.kind === b.kind && a.path === b.path && Buffer.compare(a.value ?? new Uint8Array(0), b.value ?? new Uint8Array(0)) === 0;
}

function describe({ kind, path, value }: NuwaEvent): string {
  return `${kind} ${path} ${Buffer.from(value ?? []).toString()}`;
}
