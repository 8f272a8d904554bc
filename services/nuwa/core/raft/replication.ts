import { finishRemoval } from './membership.ts';
import type { Progress } from './progress.ts';
import { reachedByMajority } from './quorum.ts';
import { acknowledgeRound, indexEarlyReads } from './reads.ts';
import type { Server } from './server.ts';
import { maybeHandOver } from './transfer.ts';
import type { RaftMessage, ServerId } from './types.ts';

/**
 * A leader's side of replication (dissertation, sections 3.5, 3.6.2, 5.3 and 10.2.1): what it sends to each member, what it makes of
 * the answers, and when an entry is committed.
 */

/** Sends what the member lacks, as far as its window goes. */
export function sendAppends(server: Server, to: ServerId, progress: Progress): void {
  const { log, limits } = server;
  while (progress.nextIndex <= log.lastIndex && progress.maySend(limits.inflightMax)) {
    if (progress.nextIndex <= log.baseIndex) {
      progress.becomeSnapshot();
      sendHeartbeat(server, to, progress);
      return;
    }
    const first = progress.nextIndex;
    const entries = log.sliceOfBytes(first, limits.appendBytesMax);
    sendAppend(server, to, progress, first - 1, entries);
    progress.sent(first - 1 + entries.length);
  }
}

/** Without entries: that this server leads, up to where entries are committed, and whether all that was sent came (`prevIndex`). */
export function sendHeartbeat(server: Server, to: ServerId, progress: Progress): void {
  const { log, term } = server;
  if (progress.state !== 'snapshot' && progress.nextIndex <= log.baseIndex) progress.becomeSnapshot();
  if (progress.state === 'snapshot') {
    const { index, term: indexTerm } = log.mark;
    server.send(to, { kind: 'snapshot', term, index, indexTerm, round: server.leading!.round });
  } else sendAppend(server, to, progress, progress.nextIndex - 1, []);
}

function sendAppend(
  server: Server,
  to: ServerId,
  progress: Progress,
  prevIndex: number,
  entries: (RaftMessage & { kind: 'append' })['entries'],
): void {
  const { term, log, commitIndex: commit } = server;
  const { round } = server.leading!;
  progress.toldCommit = Math.min(commit, prevIndex + entries.length);
  server.send(to, { kind: 'append', term, prevIndex, prevTerm: log.termAt(prevIndex)!, entries, commit, round });
}

export function handleAppendReply(server: Server, from: ServerId, reply: RaftMessage & { kind: 'appendReply' }): void {
  const { leading } = server;
  const progress = leading?.progress.get(from);
  if (!leading || !progress) return;
  progress.heardTick = server.tick;
  if (reply.accepted) {
    const news = progress.accepted(reply.matchIndex);
    if (progress.state === 'probe' || (progress.state === 'snapshot' && progress.matchIndex >= server.log.baseIndex)) {
      progress.becomeReplicate();
    }
    if (news && reply.matchIndex > server.commitIndex) advanceCommit(server);
    // Commitment of its own removal ends a leadership.
    if (server.leading !== leading) return;
    sendAppends(server, from, progress);
    tellCommit(server, from, progress);
    if (news) maybeHandOver(server, leading);
  } else if (progress.isRefusalNews(reply.matchIndex)) {
    progress.becomeProbe(nextAfterRefusal(server, reply));
    sendAppends(server, from, progress);
  }
  acknowledgeRound(server, leading, progress, reply.round);
}

/**
 * Where to try next (section 3.5, end): a refusal names the follower's term at `prevIndex` and where that term begins there. If this
 * log has that term, the logs agree at most up to its end here; if not, none of the follower's entries of that term can be right. So
 * there is one refusal per term that differs, not one per entry.
 */
function nextAfterRefusal({ log }: Server, reply: RaftMessage & { kind: 'appendReply' }): number {
  const refused = reply.matchIndex;
  const conflictIndex = Math.min(reply.conflictIndex ?? refused, refused);
  if (reply.conflictTerm === undefined) return conflictIndex;
  const last = log.lastIndexUpToTerm(reply.conflictTerm, refused - 1);
  return log.termAt(last) === reply.conflictTerm ? last + 1 : conflictIndex;
}

/**
 * An entry is committed when a majority has it on disk and it is of this term; older ones are committed with it, never by being
 * counted themselves (section 3.6.2, figure 3.7: a majority may hold an entry of an older term and a later leader still replace it).
 */
export function advanceCommit(server: Server): void {
  const { leading } = server;
  if (!leading) return;
  const index = reachedByMajority(server.voters, (id) =>
    id === server.id ? server.disk.writtenIndex : leading.progress.get(id)!.matchIndex,
  );
  if (index <= server.commitIndex || index < leading.firstIndex) return;
  server.commitIndex = index;
  for (const [id, progress] of leading.progress) tellCommit(server, id, progress);
  indexEarlyReads(server, leading);
  finishRemoval(server, leading);
}

/** Followers answer their own clients, so they hear of a commitment at once, unless an append that is due anyway will tell them. */
function tellCommit(server: Server, to: ServerId, progress: Progress): void {
  const caughtUp = progress.state === 'replicate' && progress.nextIndex > server.log.lastIndex;
  if (caughtUp && progress.toldCommit < server.commitIndex) sendHeartbeat(server, to, progress);
}
