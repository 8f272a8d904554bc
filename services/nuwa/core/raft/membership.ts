import { becomeFollower } from './election.ts';
import { appendOwn, followConfig, isActive } from './leading.ts';
import { changed, memberOf, votersOf } from './members.ts';
import { hasMajority } from './quorum.ts';
import type { Leading, Server } from './server.ts';
import { nameSuccessor } from './transfer.ts';
import type { GroupConfig, MemberChange } from './types.ts';

/**
 * Changes of the group, one server at a time (dissertation, chapter 4). A configuration is an entry of the log, in force from the moment
 * that it is in a server's log. A majority of the group before and one of the group after a change of one server share a server,
 * so no two leaders can be elected side by side (4.1, figure 4.3), provided that
 *
 * 1. one change is committed before the next begins, and
 * 2. an entry of the leader's own term is committed before its first change. (Not in the dissertation; Ongaro's correction on the raft-dev
 *    list, 10 July 2015: two leaders, each with an uncommitted change of its own, could otherwise have majorities that do not meet.)
 *
 * New servers come as learners, which get the log and count for nothing, and are promoted when they have caught up (4.2.1); otherwise the
 * group could not commit anything until they had. A leader that is removed leads on, without counting itself, until its removal is
 * committed (4.2.2).
 */
const NO_DATA = new Uint8Array(0);

/**
 * How many entries a learner may lack when it is promoted. Under load an entry takes well under a millisecond, and what is under way to
 * a server on a good network is some dozens of them; a learner further behind than this would hold up commitment noticeably.
 */
const PROMOTE_LAG_ENTRIES_MAX = 256;

export function changeMembers(server: Server, timeMs: number, change: MemberChange): void {
  const { leading, log, term, out } = server;
  const config = leading ? configAfter(server, leading, change) : 'not the leader';
  if (typeof config === 'string') {
    out.refused = config;
    return;
  }
  const index = log.lastIndex + 1;
  appendOwn(server, [{ index, term, kind: 'config', timeMs: Math.max(timeMs, log.lastTimeMs), data: NO_DATA, config }]);
  followConfig(server);
  out.proposed = { firstIndex: index, term };
}

/** The group after the change, or why it is refused. */
function configAfter(server: Server, leading: Leading, change: MemberChange): GroupConfig | string {
  const problem = problemNow(server, leading);
  if (problem !== undefined) return problem;
  const config = changed(server.log.config, change);
  if (typeof config === 'string') return config;
  return problemAfter(server, leading, config, change) ?? config;
}

function problemNow({ commitIndex, log }: Server, { firstIndex, transfer }: Leading): string | undefined {
  if (transfer) return `leadership goes to ${transfer.to}`;
  if (commitIndex < firstIndex) return 'no entry of this term is committed yet';
  if (log.configIndex > commitIndex) return 'another change is under way';
  return undefined;
}

/** A change that Raft allows and that would bring the group to a stand. */
function problemAfter(server: Server, leading: Leading, config: GroupConfig, { kind, id }: MemberChange): string | undefined {
  if (kind === 'promote') {
    const progress = leading.progress.get(id)!;
    const behind = server.log.lastIndex - progress.matchIndex;
    if (progress.state !== 'replicate' || behind > PROMOTE_LAG_ENTRIES_MAX) return `${id} lacks ${behind} entries`;
    if (!isActive(server, progress)) return `${id} was not heard of lately`;
  }
  if (kind === 'remove' && memberOf(server.log.config, id)?.role === 'voter') {
    const hears = (voter: string): boolean => voter === server.id || isActive(server, leading.progress.get(voter)!);
    if (!hasMajority(votersOf(config), hears)) return `without ${id} too few voters are heard of`;
  }
  return undefined;
}

/** After a commitment: a leader that is no member any more has done its last duty, and names the one who is to follow. */
export function finishRemoval(server: Server, leading: Leading): void {
  const { log, commitIndex } = server;
  if (memberOf(log.config, server.id) || log.configIndex > commitIndex) return;
  nameSuccessor(server, leading);
  becomeFollower(server, server.term, undefined);
}
