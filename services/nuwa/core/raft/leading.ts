import { assertInvariant } from '../../../base/assert.ts';
import { becomeFollower } from './election.ts';
import { Lease } from './lease.ts';
import { Progress } from './progress.ts';
import { hasMajority } from './quorum.ts';
import { beginRound } from './reads.ts';
import { sendAppends } from './replication.ts';
import type { Leading, Server } from './server.ts';
import { tickTransfer } from './transfer.ts';
import type { Entry, ServerId } from './types.ts';

/** A leader's beginning, its clock and its entries (dissertation, sections 3.4, 3.5, 6.2). */

const NO_DATA = new Uint8Array(0);

/**
 * Puts an empty entry of its term into the log at once (section 6.4, step 1, and 3.6.2): only when an entry of its own term is committed
 * does a leader know what is committed. Entries travel while the own disk still writes them (section 10.2.1); the own copy counts
 * like any other when it is on the disk.
 */
export function becomeLeader(server: Server): void {
  const { log } = server;
  assertInvariant(server.role === 'candidate', `${server.id} leads term ${server.term} out of ${server.role}`);
  server.role = 'leader';
  server.leader = server.id;
  server.election = undefined;
  server.leading = {
    progress: new Map(),
    firstIndex: log.lastIndex + 1,
    round: 0,
    heartbeatElapsedTicks: 0,
    lease: new Lease(),
    reads: [],
  };
  appendOwn(server, [{ index: log.lastIndex + 1, term: server.term, kind: 'noop', timeMs: log.lastTimeMs, data: NO_DATA }]);
  followConfig(server);
}

/** Entries of this server's making: into the log, and on their way to whoever can take them. */
export function appendOwn(server: Server, entries: readonly Entry[]): void {
  server.append(entries);
  for (const [id, progress] of server.leading!.progress) sendAppends(server, id, progress);
}

export function propose(server: Server, timeMs: number, payloads: readonly Uint8Array[]): void {
  const { leading, log, out } = server;
  if (!leading || leading.transfer) {
    out.refused = leading ? `leadership goes to ${leading.transfer!.to}` : 'not the leader';
    return;
  }
  const firstIndex = log.lastIndex + 1;
  const time = Math.max(timeMs, log.lastTimeMs);
  const { term } = server;
  appendOwn(
    server,
    payloads.map((data, i) => ({ index: firstIndex + i, term, kind: 'commands', timeMs: time, data })),
  );
  out.proposed = { firstIndex, term };
}

/** Whom to replicate to, by the latest configuration. A new member is sent to from the log's end: its refusal says where it stands. */
export function followConfig(server: Server): void {
  const { progress } = server.leading!;
  const { members } = server.log.config;
  for (const id of progress.keys()) if (!members.some((member) => member.id === id)) progress.delete(id);
  for (const { id } of members) {
    if (id === server.id || progress.has(id)) continue;
    const added = new Progress(server.log.lastIndex, server.tick);
    progress.set(id, added);
    sendAppends(server, id, added);
  }
}

/** Counted as heard of at the beginning of the term, so that a new leader has time to hear from all. */
export function isActive(server: Server, progress: Progress): boolean {
  return server.tick - progress.heardTick < server.timing.electionTicks;
}

export function tickLeader(server: Server, leading: Leading, nowMs: number | undefined): void {
  if (!hearsMajority(server, leading)) {
    becomeFollower(server, server.term, undefined);
    return;
  }
  tickTransfer(server, leading);
  if (++leading.heartbeatElapsedTicks >= server.timing.heartbeatTicks) beginRound(server, leading, nowMs);
}

/** Section 6.2: a leader who has heard no majority for an election timeout leads nobody, and says so by stepping down. */
function hearsMajority(server: Server, { progress }: Leading): boolean {
  return hasMajority(server.voters, (id) => id === server.id || isActive(server, progress.get(id)!));
}

/** The connection to it broke, and what was under way in it is likely lost: find out where it stands instead of sending on. */
export function handleFollowerLost({ leading }: Server, peer: ServerId): void {
  const progress = leading?.progress.get(peer);
  if (progress?.state === 'replicate') progress.becomeProbe(progress.matchIndex + 1);
}
