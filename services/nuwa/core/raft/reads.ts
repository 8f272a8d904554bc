import { leases, renewLease } from './lease.ts';
import type { Progress } from './progress.ts';
import { hasMajority } from './quorum.ts';
import { sendHeartbeat } from './replication.ts';
import type { Leading, Server } from './server.ts';
import type { RaftEvent, ServerId } from './types.ts';

/**
 * Linearizable reads that write nothing (dissertation, section 6.4). A read must see every change that was acknowledged before it
 * began. The leader knows them all, up to its commit index, if
 *
 * 1. an entry of its own term is committed: before that it may not know yet what its predecessors committed; and
 * 2. it still led when the read began: so a majority must confirm it by answering something that was sent afterwards. Heartbeats carry
 *    the number of their round, answers repeat it. One round confirms all reads that came before it; while one is under way, those
 *    that come gather for the next.
 *
 * A follower's read brings a confirmation along. The follower sent its question after the read began and still in this leader's term.
 * Had another leader committed anything before the read began, it would have been elected before that by a majority whose members had
 * all gone on to a newer term; the follower was in none of them, and neither is this leader. If leader and follower are a majority by
 * themselves, as in a group of three, every majority has one of them: there was no such leader, and the answer needs no round.
 */
export interface PendingRead {
  readonly id: number;
  readonly from: ServerId | undefined;
  /** The follower whose question confirms that it still followed this leader. */
  readonly confirmedBy: ServerId | undefined;
  /** What the reader must have applied; -1 before condition 1 holds. */
  index: number;
  /** The round that will confirm it; none was begun since it came if Infinity. */
  round: number;
}

const NO_INDEX = -1;
const NO_ROUND = Number.POSITIVE_INFINITY;

export function handleRead(server: Server, { id, from, term, nowMs }: RaftEvent & { kind: 'read' }): void {
  const { leading } = server;
  if (!leading || (term !== undefined && term > server.term)) {
    server.out.readsLost.push({ id, from });
    return;
  }
  const confirmedBy = term === server.term ? from : undefined;
  const index = server.commitIndex >= leading.firstIndex ? server.commitIndex : NO_INDEX;
  const read: PendingRead = { id, from, confirmedBy, index, round: NO_ROUND };
  const leased = nowMs !== undefined && leading.lease.holds(nowMs);
  if (index !== NO_INDEX && (leased || isConfirmed(server, leading, read))) {
    server.out.readable.push({ id, index, from });
    return;
  }
  const roundUnderWay = leading.reads.some(({ round }) => round !== NO_ROUND);
  leading.reads.push(read);
  if (index !== NO_INDEX && !roundUnderWay) beginRound(server, leading, nowMs);
}

function isConfirmed(server: Server, { progress }: Leading, { confirmedBy, round }: PendingRead): boolean {
  return hasMajority(server.voters, (id) => id === server.id || id === confirmedBy || progress.get(id)!.ackedRound >= round);
}

/** Heartbeats to all: the next round, which confirms every read that came up to now. */
export function beginRound(server: Server, leading: Leading, nowMs?: number): void {
  leading.heartbeatElapsedTicks = 0;
  leading.round++;
  if (nowMs !== undefined && leases(server)) leading.lease.began(leading.round, nowMs);
  for (const read of leading.reads) if (read.round === NO_ROUND) read.round = leading.round;
  for (const [id, progress] of leading.progress) sendHeartbeat(server, id, progress);
}

export function acknowledgeRound(server: Server, leading: Leading, progress: Progress, round: number): void {
  if (round <= progress.ackedRound) return;
  progress.ackedRound = round;
  renewLease(server, leading);
  answerConfirmed(server, leading);
}

/** Condition 1 holds from now on. */
export function indexEarlyReads(server: Server, leading: Leading): void {
  let any = false;
  for (const read of leading.reads) {
    if (read.index !== NO_INDEX) continue;
    read.index = server.commitIndex;
    any = true;
  }
  if (any) answerConfirmed(server, leading);
}

function answerConfirmed(server: Server, leading: Leading): void {
  if (leading.reads.length === 0) return;
  const waiting: PendingRead[] = [];
  for (const read of leading.reads) {
    if (read.index === NO_INDEX || !isConfirmed(server, leading, read)) waiting.push(read);
    else server.out.readable.push({ id: read.id, index: read.index, from: read.from });
  }
  leading.reads = waiting;
  const roundUnderWay = waiting.some(({ round }) => round !== NO_ROUND);
  if (waiting.length > 0 && waiting[0]!.index !== NO_INDEX && !roundUnderWay) beginRound(server, leading);
}

export function loseReads(server: Server): void {
  for (const { id, from } of server.leading!.reads) server.out.readsLost.push({ id, from });
}
