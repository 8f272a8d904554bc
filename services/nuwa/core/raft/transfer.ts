import { becomeCandidate } from './election.ts';
import { isActive } from './leading.ts';
import type { Leading, Server } from './server.ts';
import type { ServerId } from './types.ts';

/**
 * Leadership transfer (dissertation, section 3.10): the leader takes no more proposals, brings the target's log up to its own, and tells
 * it to run at once. The target asks with `force`, since the others still hear their leader (section 4.2.3). If it did not succeed
 * within an election timeout, the leader goes on.
 */
export function transfer(server: Server, to: ServerId): void {
  const { leading, out } = server;
  const problem = leading ? problemOf(server, leading, to) : 'not the leader';
  if (problem !== undefined) {
    out.refused = problem;
    return;
  }
  leading!.transfer = { to, sinceTick: server.tick };
  leading!.lease.giveUp();
  maybeHandOver(server, leading!);
}

function problemOf(server: Server, leading: Leading, to: ServerId): string | undefined {
  if (leading.transfer) return `leadership goes to ${leading.transfer.to}`;
  if (to === server.id) return `${to} is the leader`;
  if (!server.isVoter(to)) return `${to} is not a voter`;
  if (!isActive(server, leading.progress.get(to)!)) return `${to} was not heard of lately`;
  return undefined;
}

/** The target may run when it has all there is. */
export function maybeHandOver(server: Server, { transfer: wanted, progress }: Leading): void {
  if (wanted && progress.get(wanted.to)?.matchIndex === server.log.lastIndex) sendTimeoutNow(server, wanted.to);
}

/** Said again with each heartbeat, as any message may be lost. */
export function tickTransfer(server: Server, leading: Leading): void {
  if (!leading.transfer) return;
  if (server.tick - leading.transfer.sinceTick >= server.timing.electionTicks) leading.transfer = undefined;
  else if (leading.heartbeatElapsedTicks === 0) maybeHandOver(server, leading);
}

/** Of a leader that goes: the voter with the most entries is to run, so that the group need not wait out a timeout. */
export function nameSuccessor(server: Server, { progress }: Leading): void {
  let best: ServerId | undefined;
  for (const voter of server.voters) {
    if (best === undefined || progress.get(voter)!.matchIndex > progress.get(best)!.matchIndex) best = voter;
  }
  if (best !== undefined) sendTimeoutNow(server, best);
}

function sendTimeoutNow(server: Server, to: ServerId): void {
  server.send(to, { kind: 'timeoutNow', term: server.term });
}

export function handleTimeoutNow(server: Server, from: ServerId): void {
  if (server.role === 'follower' && server.leader === from && server.mayRun) becomeCandidate(server, true);
}
