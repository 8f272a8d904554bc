import { assertNever } from '../../../base/assert.ts';
import { becomeFollower, becomePreCandidate, countOwnVote, handlePeerLost, handleVote, handleVoteReply, tickElection } from './election.ts';
import { handleAppend, handleSnapshot, handleSnapshotLoaded } from './following.ts';
import { handleFollowerLost, isActive, propose, tickLeader } from './leading.ts';
import { changeMembers } from './membership.ts';
import { handleRead } from './reads.ts';
import { advanceCommit, handleAppendReply } from './replication.ts';
import { type RaftOptions, Server } from './server.ts';
import { handleTimeoutNow, transfer } from './transfer.ts';
import type { Effects, RaftEvent, RaftMessage, RaftRole, RaftStatus, ServerId } from './types.ts';

/**
 * One server's part of the Raft protocol (see types.ts). This file says which event and which message goes where; the protocol
 * itself stands one idea per file: `election`, `leading`, `replication` (the leader's side), `following` (the other), `reads`,
 * `membership`, `transfer`, over the state in `server` with its `log`, `disk` and `progress`.
 */
export class Raft {
  readonly #server: Server;

  constructor(options: RaftOptions) {
    this.#server = new Server(options);
  }

  get term(): number {
    return this.#server.term;
  }

  get role(): RaftRole {
    return this.#server.role;
  }

  get leader(): ServerId | undefined {
    return this.#server.leader;
  }

  step(event: RaftEvent): Effects {
    handle(this.#server, event);
    return this.#server.takeEffects();
  }

  status(): RaftStatus {
    const { id, role, term, leader, log, commitIndex, leading } = this.#server;
    const progress = [...(leading?.progress ?? [])].map(([member, each]) => ({
      id: member,
      matchIndex: each.matchIndex,
      state: each.state,
      active: isActive(this.#server, each),
    }));
    return { id, role, term, leader, lastIndex: log.lastIndex, commitIndex, config: log.config, progress };
  }
}

function handle(server: Server, event: RaftEvent): void {
  switch (event.kind) {
    case 'tick':
      server.tick++;
      if (server.leading) tickLeader(server, server.leading, event.nowMs);
      else tickElection(server);
      return;
    case 'receive':
      receive(server, event.from, event.message);
      return;
    case 'propose':
      propose(server, event.timeMs, event.payloads);
      return;
    case 'read':
      handleRead(server, event);
      return;
    case 'written':
      server.disk.written(event.seq);
      countOwnVote(server);
      advanceCommit(server);
      return;
    case 'compacted':
      server.compact(event.index);
      return;
    case 'snapshotLoaded':
      handleSnapshotLoaded(server, event.mark);
      return;
    case 'snapshotFailed':
      server.wantedSnapshot = undefined;
      return;
    case 'peerLost':
      if (server.leading) handleFollowerLost(server, event.peer);
      else handlePeerLost(server, event.peer);
      return;
    case 'changeMembers':
      changeMembers(server, event.timeMs, event.change);
      return;
    case 'transfer':
      transfer(server, event.to);
      return;
    case 'campaign':
      if (!server.leading && server.mayRun) becomePreCandidate(server);
      return;
    default:
      assertNever(event);
  }
}

/**
 * Terms first (dissertation, section 3.3). A newer term is taken over by whoever hears of it, but from two messages that are about a
 * term that may never come: a request for a vote, which decides for itself, and a granted pre-vote. The sender of an older term is told
 * the newer one.
 */
function receive(server: Server, from: ServerId, message: RaftMessage): void {
  const { kind, term } = message;
  if (term < server.term) {
    answerOlderTerm(server, from, message);
    return;
  }
  if (term > server.term && kind !== 'vote' && !(kind === 'voteReply' && message.pre && message.granted)) {
    becomeFollower(server, term, undefined);
  }
  switch (kind) {
    case 'vote':
      handleVote(server, from, message);
      return;
    case 'voteReply':
      handleVoteReply(server, from, message);
      return;
    case 'append':
      handleAppend(server, from, message);
      return;
    case 'appendReply':
      handleAppendReply(server, from, message);
      return;
    case 'snapshot':
      handleSnapshot(server, from, message);
      return;
    case 'timeoutNow':
      handleTimeoutNow(server, from);
      return;
    default:
      assertNever(message);
  }
}

function answerOlderTerm(server: Server, from: ServerId, message: RaftMessage): void {
  const { term } = server;
  if (message.kind === 'vote') {
    server.send(from, { kind: 'voteReply', term, pre: message.pre, granted: false });
  } else if (message.kind === 'append' || message.kind === 'snapshot') {
    server.send(from, { kind: 'appendReply', term, round: message.round, accepted: false, matchIndex: 0 });
  } else if (message.kind === 'voteReply' && message.pre && !message.granted) {
    // A pre-vote is refused in the refuser's own term, which may be older than the asker's.
    handleVoteReply(server, from, message);
  }
}
