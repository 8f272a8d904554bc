import type { Reply } from './command.ts';
import { refused } from './refused.ts';
import type { Session, TreeState } from './state.ts';

/**
 * A reply can be lost after its command was done. The client then sends the command again under the same request number, and
 * must get the reply of the first time, not a second change. So each session keeps the replies that its client may still ask
 * for: the client says with each request up to where it has them all.
 *
 * A client that keeps to its window (`REQUESTS_AHEAD_MAX` in the contract, half of this) never loses a reply; the bound is
 * for those that do not.
 */
export const REPLIES_MAX = 1_024;

/** What this request was answered before, if it was. */
export function recallReply(state: TreeState, session: Session, request: number): Reply | undefined {
  if (request >= session.settled) return session.replies.get(request);
  return refused(state, 'StaleRequest', `a late copy of request ${request}; ${session.settled} and later are open`);
}

export function rememberReply(session: Session, request: number, reply: Reply): void {
  session.replies.set(request, reply);
  if (session.replies.size <= REPLIES_MAX) return;
  settle(session, Math.min(...session.replies.keys()) + 1);
}

/** The client has all replies below `settled`. */
export function settle(session: Session, settled: number): void {
  if (settled <= session.settled) return;
  session.settled = settled;
  for (const request of session.replies.keys()) if (request < settled) session.replies.delete(request);
}
