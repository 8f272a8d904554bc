import { assertInvariant } from '../../../base/assert.ts';
import { becomeLeader } from './leading.ts';
import { leases } from './lease.ts';
import { hasMajority } from './quorum.ts';
import { loseReads } from './reads.ts';
import type { Server } from './server.ts';
import type { RaftMessage, ServerId } from './types.ts';

/**
 * Who leads (dissertation, sections 3.4, 3.6.1, 4.2.3 and 9.6).
 *
 * A server that hears no leader first asks whether it would be elected (pre-vote, 9.6): a server that was cut off, or cannot win,
 * never raises the others' terms. Those who heard a leader within the shortest election timeout refuse, to both questions (4.2.3): a
 * living leader is not deposed by one who merely lost sight of it, such as a removed server. Only a leader's own wish goes over that
 * (`force`, leadership transfer). The other half of the bargain is the leader's: one who hears no majority steps down (6.2, checkQuorum),
 * so that nobody waits for a leader who leads nobody.
 *
 * A broken connection is better news than silence (`peerLost`): a follower who loses its leader so does not refuse any more, and runs
 * after a small random delay. Its pre-vote keeps that honest: where the others still hear the leader, they refuse and nothing happens.
 */

/** Part of an election timeout within which followers who saw their leader's connections break run: enough to keep them apart. */
const LOST_LEADER_FRACTION = 1 / 4;

function lostLeaderTicks(server: Server): number {
  return 1 + server.random.int(Math.max(2, Math.floor(server.timing.electionTicks * LOST_LEADER_FRACTION)));
}

export function becomeFollower(server: Server, term: number, leader: ServerId | undefined): void {
  if (term > server.term || leader !== server.leader) server.answeredRound = server.answeredMatch = 0;
  if (term > server.term) server.setTerm(term, undefined);
  if (server.leading) {
    loseReads(server);
    server.leading = undefined;
    server.rest();
  }
  server.role = 'follower';
  server.election = undefined;
  server.leader = leader;
}

/** A message of this term's leader came. */
export function heardLeader(server: Server, leader: ServerId): void {
  assertInvariant(server.role !== 'leader', `${leader} leads in term ${server.term}, and so does ${server.id}`);
  if (server.role !== 'follower' || server.leader !== leader) becomeFollower(server, server.term, leader);
  server.calm();
}

/** Runs when nothing was heard for too long; who may not run knows of no leader then, so that others get its vote. */
export function tickElection(server: Server): void {
  if (server.tick - server.calmSinceTick < server.timeoutTicks) return;
  if (server.mayRun) {
    becomePreCandidate(server);
    return;
  }
  becomeFollower(server, server.term, undefined);
  server.rest();
}

export function handlePeerLost(server: Server, peer: ServerId): void {
  if (server.role !== 'follower' || server.leader !== peer || leases(server)) return;
  server.leader = undefined;
  runSoon(server, lostLeaderTicks(server));
}

function runSoon(server: Server, ticks: number): void {
  if (server.calmSinceTick + server.timeoutTicks - server.tick > ticks) server.runAfter(ticks);
}

/** Asks who would vote for it (section 9.6). Its term stays, and nothing is written: a pre-vote binds nobody. */
export function becomePreCandidate(server: Server): void {
  server.role = 'preCandidate';
  server.leader = undefined;
  server.election = { votes: new Map([[server.id, true]]) };
  server.rest();
  requestVotes(server, { pre: true, force: false });
  maybeWin(server);
}

/**
 * Asks for votes in a new term (section 3.4). `force`: its leader hands over to it (section 3.10).
 *
 * The own vote counts when it is on the disk. So must be what the requests boast of, the log up to its last entry: if the requests
 * overtook that write, a crash could lose entries of which the voters were told, and votes given to a long log would elect a short one.
 */
export function becomeCandidate(server: Server, force: boolean): void {
  server.setTerm(server.term + 1, server.id);
  server.role = 'candidate';
  server.leader = undefined;
  server.election = { votes: new Map(), ownVoteSeq: server.disk.issuedSeq + 1 };
  server.rest();
  requestVotes(server, { pre: false, force });
}

function requestVotes(server: Server, { pre, force }: { pre: boolean; force: boolean }): void {
  const { lastIndex, lastTerm } = server.log;
  const message: RaftMessage = { kind: 'vote', term: pre ? server.term + 1 : server.term, pre, force, lastIndex, lastTerm };
  for (const voter of server.voters) {
    if (voter === server.id) continue;
    if (pre) server.send(voter, message);
    else server.sendAfterWrite(voter, message);
  }
}

/**
 * Votes are given without a look at who is in the group (section 4.1): a server may not know yet that the candidate or it itself is.
 * At most one vote a term, to a log at least as up-to-date as the own (section 3.6.1), and never within an election timeout of a
 * leader's word (section 4.2.3), in which case not even the term is taken over.
 */
export function handleVote(server: Server, from: ServerId, message: RaftMessage & { kind: 'vote' }): void {
  const { pre, term } = message;
  if (!message.force && followsLiveLeader(server)) {
    if (pre) server.send(from, { kind: 'voteReply', term: server.term, pre, granted: false });
    return;
  }
  if (term > server.term && !pre) becomeFollower(server, term, undefined);
  const free = server.leader === undefined && (server.vote === undefined || server.vote === from);
  if (!(term > server.term || (term === server.term && free)) || !isUpToDate(server, message)) {
    server.send(from, { kind: 'voteReply', term: server.term, pre, granted: false });
    return;
  }
  if (pre) {
    server.send(from, { kind: 'voteReply', term, pre, granted: true });
    // It is about to run itself: two that run at once may both fail, so it lets the other try.
    if (server.role === 'follower' && server.leader === undefined) deferRun(server);
    return;
  }
  if (server.vote === undefined) server.setTerm(term, from);
  server.rest();
  server.sendAfterWrite(from, { kind: 'voteReply', term, pre, granted: true });
}

function deferRun(server: Server): void {
  const ticks = lostLeaderTicks(server);
  if (server.calmSinceTick + server.timeoutTicks - server.tick < ticks) server.runAfter(ticks);
}

/** A leader is such a server too: one that hears no majority steps down by itself within the same time (checkQuorum). */
function followsLiveLeader(server: Server): boolean {
  if (server.role === 'leader') return true;
  // It may have heard a leader just before it started.
  if (leases(server) && server.tick < server.timing.electionTicks) return true;
  return server.leader !== undefined && server.tick - server.calmSinceTick < server.timing.electionTicks;
}

function isUpToDate({ log }: Server, { lastIndex, lastTerm }: { lastIndex: number; lastTerm: number }): boolean {
  return lastTerm > log.lastTerm || (lastTerm === log.lastTerm && lastIndex >= log.lastIndex);
}

export function handleVoteReply(server: Server, from: ServerId, reply: RaftMessage & { kind: 'voteReply' }): void {
  const { election, role } = server;
  if (!election || reply.pre !== (role === 'preCandidate')) return;
  // A pre-vote is granted for the term to come; it is refused in the refuser's own, which may be an older one.
  if (reply.granted && reply.term !== server.term + (reply.pre ? 1 : 0)) return;
  if (reply.granted || !election.votes.has(from)) election.votes.set(from, reply.granted);
  maybeWin(server);
  // Who refuses a pre-vote heard the leader a moment later than the asker and will have missed it as long in a moment. Who refuses a vote
  // has a rival who ran at the same time, since a majority had just promised its votes, and both may fail: whoever draws the shorter delay
  // runs again first. Long enough for votes that are under way to come in and decide it after all.
  if (!reply.granted && server.election === election) runSoon(server, lostLeaderTicks(server) + 1);
}

/** The own vote is on the disk: it counts from now on. */
export function countOwnVote(server: Server): void {
  const { election } = server;
  if (election?.ownVoteSeq === undefined || election.ownVoteSeq > server.disk.writtenSeq) return;
  election.votes.set(server.id, true);
  maybeWin(server);
}

function maybeWin(server: Server): void {
  const { votes } = server.election!;
  if (hasMajority(server.voters, (id) => votes.get(id) === true)) {
    if (server.role === 'preCandidate') becomeCandidate(server, false);
    else becomeLeader(server);
  } else if (!hasMajority(server.voters, (id) => votes.get(id) !== false)) {
    becomeFollower(server, server.term, undefined);
  }
}
