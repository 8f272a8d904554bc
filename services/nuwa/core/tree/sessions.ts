import type { NuwaEvent } from '../../contract.ts';
import type { Applied, CloseSession, OpenSession } from './command.ts';
import { removeNode } from './remove.ts';
import { newSession, sorted, type TreeState } from './state.ts';

/** A session that is open already stays as it is: the command is a second copy. */
export function openSession(state: TreeState, { session, ttlMs, creator }: OpenSession): Applied {
  if (!state.sessions.has(session)) state.sessions.set(session, newSession({ id: session, ttlMs, creator }));
  return { reply: { kind: 'done', revision: state.revision }, events: [] };
}

/** Ends a session, by its client's wish or because it was not heard of; its nodes go with it. One that is gone is gone. */
export function closeSession(state: TreeState, { session: id }: CloseSession): Applied {
  const events: NuwaEvent[] = [];
  const session = state.sessions.get(id);
  if (session) {
    for (const path of sorted(session.ephemerals)) removeNode(state, path, events);
    state.sessions.delete(id);
  }
  return { reply: { kind: 'done', revision: state.revision }, events };
}
