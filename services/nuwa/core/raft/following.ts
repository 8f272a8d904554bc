import { assertInvariant } from '../../../base/assert.ts';
import { heardLeader } from './election.ts';
import type { Server } from './server.ts';
import type { Entry, RaftMessage, ServerId, SnapshotMark } from './types.ts';

/**
 * A follower's side of replication (dissertation, sections 3.5, 5.1 and 5.3): taking entries, and a snapshot where the leader
 * has nothing else left.
 *
 * Snapshots. The leader says which entry its snapshot ends with. If that entry is in this log, so is all before it (log matching),
 * and nothing is to be fetched. If not, this log's end is of no worth: entries at or after that index contradict a committed
 * one. So a snapshot may take the whole log's place; what was acknowledged to anybody is at lower indexes, and in the snapshot. That
 * holds only as long as no entries are taken while it is on its way: they would be acknowledged, then thrown away by its installation.
 * Hence `wantedSnapshot`: until the owner says that the snapshot is loaded or failed, appends are answered but not taken.
 */
export function handleAppend(server: Server, from: ServerId, message: RaftMessage & { kind: 'append' }): void {
  heardLeader(server, from);
  if (server.wantedSnapshot !== undefined) {
    server.out.fetchSnapshot = { from, index: server.wantedSnapshot };
    accept(server, from, message.round, server.commitIndex);
    return;
  }
  const { log } = server;
  const { prevIndex, round } = message;
  // What is committed is the same in every leader's log (leader completeness); only what is beyond can differ.
  const known = Math.min(Math.max(server.commitIndex - prevIndex, 0), message.entries.length);
  const agreed = prevIndex + known;
  if (agreed < server.commitIndex) {
    accept(server, from, round, server.commitIndex);
    return;
  }
  if (known === 0 && log.termAt(prevIndex) !== message.prevTerm) {
    refuse(server, from, message);
    return;
  }
  const taken = take(server, message.entries, known);
  const matchIndex = prevIndex + message.entries.length;
  server.commitIndex = Math.max(server.commitIndex, Math.min(message.commit, matchIndex));
  if (taken) acceptAfterWrite(server, from, round, matchIndex);
  else if (message.entries.length > 0 || round > server.answeredRound || matchIndex > server.answeredMatch)
    accept(server, from, round, matchIndex);
}

/** Entries that are here already stay; the first that differs goes, and all after it (section 3.5). @returns whether any is new. */
function take(server: Server, entries: readonly Entry[], known: number): boolean {
  const { log } = server;
  for (let i = known; i < entries.length; i++) {
    const { index, term } = entries[i]!;
    if (index <= log.lastIndex && log.termAt(index) === term) continue;
    if (index <= log.lastIndex) server.truncateFrom(index);
    server.append(i === 0 ? entries : entries.slice(i));
    return true;
  }
  return false;
}

/**
 * With nothing new to write, the answer need not wait for the disk: it names what is there already. But for the term: acknowledging
 * in a term that a crash may forget would let an older leader overwrite what was acknowledged.
 */
function accept(server: Server, to: ServerId, round: number, index: number): void {
  if (!server.hardStateWritten) {
    acceptAfterWrite(server, to, round, index);
    return;
  }
  const matchIndex = Math.min(index, server.disk.writtenIndex);
  server.answeredRound = Math.max(server.answeredRound, round);
  server.answeredMatch = Math.max(server.answeredMatch, matchIndex);
  server.send(to, { kind: 'appendReply', term: server.term, round, accepted: true, matchIndex });
}

function acceptAfterWrite(server: Server, to: ServerId, round: number, matchIndex: number): void {
  server.answeredMatch = Math.max(server.answeredMatch, matchIndex);
  server.sendAfterWrite(to, { kind: 'appendReply', term: server.term, round, accepted: true, matchIndex });
}

function refuse(server: Server, to: ServerId, { prevIndex, round }: RaftMessage & { kind: 'append' }): void {
  const { log, term } = server;
  const reply = { kind: 'appendReply', term, round, accepted: false, matchIndex: prevIndex } as const;
  const conflictTerm = log.termAt(prevIndex);
  if (conflictTerm === undefined) server.send(to, { ...reply, conflictIndex: log.lastIndex + 1 });
  else server.send(to, { ...reply, conflictIndex: Math.max(log.firstIndexOfTermAt(prevIndex), server.commitIndex + 1), conflictTerm });
}

export function handleSnapshot(server: Server, from: ServerId, message: RaftMessage & { kind: 'snapshot' }): void {
  heardLeader(server, from);
  const { log } = server;
  const { index, round } = message;
  const has = index <= log.lastIndex && log.termAt(index) === message.indexTerm;
  if (has) server.commitIndex = Math.max(server.commitIndex, index);
  if (index > server.commitIndex) {
    // Another leader may offer an older one. It does, since this log has not even that entry.
    server.wantedSnapshot = Math.min(server.wantedSnapshot ?? index, index);
    server.out.fetchSnapshot = { from, index };
  }
  accept(server, from, round, server.commitIndex);
}

export function handleSnapshotLoaded(server: Server, mark: SnapshotMark): void {
  assertInvariant(server.wantedSnapshot !== undefined, `a snapshot of ${mark.index} was loaded that nobody waits for`);
  assertInvariant(mark.index >= server.wantedSnapshot, `a snapshot of ${mark.index} was loaded for one of ${server.wantedSnapshot}`);
  assertInvariant(server.role !== 'leader', `a leader loads a snapshot of ${mark.index}`);
  server.wantedSnapshot = undefined;
  server.resetLog(mark);
  if (server.role === 'follower' && server.leader !== undefined) accept(server, server.leader, server.answeredRound, mark.index);
}
