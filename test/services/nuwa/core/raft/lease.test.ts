import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../../../services/base/random.ts';
import { Raft } from '../../../../../services/nuwa/core/raft/raft.ts';
import type { Effects, GroupConfig, RaftEvent, RaftMessage } from '../../../../../services/nuwa/core/raft/types.ts';

const CONFIG: GroupConfig = { members: ['a', 'b', 'c'].map((id) => ({ id, address: id, role: 'voter' as const })) };
const TICK_MS = 25;
const LEASE_MS = 150;

/** One server, to which a test says everything that others would. */
class Alone {
  readonly raft: Raft;
  nowMs = 1_000;
  sent: RaftMessage[] = [];
  readable: number[] = [];

  constructor(leaseMs: number) {
    this.raft = new Raft({
      id: 'a',
      stored: { hardState: { term: 0, vote: undefined }, snapshot: { index: 0, term: 0, config: CONFIG }, entries: [] },
      timing: { electionTicks: 10, heartbeatTicks: 2, leaseMs },
      limits: { appendBytesMax: 1_000, inflightMax: 4, keptBytesMax: 0 },
      random: seededRandom(1),
    });
  }

  step(event: RaftEvent): Effects {
    const effects = this.raft.step(event);
    this.sent = [...effects.messages, ...effects.afterWrite].map(({ message }) => message);
    this.readable.push(...effects.readable.map(({ id }) => id));
    if (effects.write) this.step({ kind: 'written', seq: effects.write.seq });
    return effects;
  }

  tick(times = 1): void {
    for (let i = 0; i < times; i++) this.step({ kind: 'tick', nowMs: (this.nowMs += TICK_MS) });
  }

  read(id: number): boolean {
    this.step({ kind: 'read', id, nowMs: this.nowMs });
    return this.readable.includes(id);
  }

  /** `b` answers all rounds up to now. */
  heartbeat(): void {
    this.tick(2);
    const round = this.sent.findLast((message) => message.kind === 'append')?.round ?? 0;
    this.step({ kind: 'receive', from: 'b', message: { kind: 'appendReply', term: 1, round, accepted: true, matchIndex: 1 } });
  }

  lead(): void {
    this.tick(30);
    for (const pre of [true, false]) this.step({ kind: 'receive', from: 'b', message: { kind: 'voteReply', term: 1, pre, granted: true } });
    expect(this.raft.status().role).toBe('leader');
    this.heartbeat();
  }
}

describe('reads by lease (section 6.4.1)', () => {
  test('are answered at once while a majority answered a round that was begun less than the lease ago, and not a moment longer', () => {
    const server = new Alone(LEASE_MS);
    server.lead();
    expect(server.read(1)).toBe(true);
    server.nowMs += LEASE_MS - 1;
    expect(server.read(2)).toBe(true);
    server.nowMs += 1;
    expect(server.read(3)).toBe(false);
    server.heartbeat();
    expect(server.readable).toContain(3);
  });

  test('are off unless they are asked for', () => {
    const server = new Alone(0);
    server.lead();
    expect(server.read(1)).toBe(false);
  });

  test('end for good when leadership is handed over', () => {
    const server = new Alone(LEASE_MS);
    server.lead();
    server.step({ kind: 'transfer', to: 'b' });
    expect(server.read(1)).toBe(false);
    server.heartbeat();
    expect(server.read(2)).toBe(false);
  });

  test('a server that just started gives nobody its vote for an election timeout: it may have heard a leader before', () => {
    const vote = { kind: 'vote', term: 5, pre: false, force: false, lastIndex: 0, lastTerm: 0 } as const;
    const granted = (server: Alone): boolean => {
      server.step({ kind: 'receive', from: 'b', message: vote });
      return server.raft.status().term === 5;
    };
    const leased = new Alone(LEASE_MS);
    expect(granted(leased)).toBe(false);
    expect(granted(new Alone(0))).toBe(true);
    leased.tick(9);
    expect(granted(leased)).toBe(false);
    leased.tick(1);
    expect(granted(leased)).toBe(true);
  });
});
