import { ownText } from './bytes.ts';
import type { CloseSession, Done, OpenSession, Refused } from './command.ts';
import { type Edit, removeNode } from './edit.ts';
import { lastName, parentPath } from './path.ts';
import { refused } from './refused.ts';
import { newSession, nodeAt, sorted, type TreeState } from './state.ts';

/** A session that is open already stays as it is, but for the connection that it is on: the command is a second copy, unless it does not know the password. */
export function openSession(state: TreeState, command: OpenSession): Done | Refused {
  const { session: id, ttlMs, creator, password, holder, connection, again = false } = command;
  const open = state.sessions.get(id);
  if (open && !samePassword(open.password, password)) return refused(state, 'BadPassword', `session ${id} has another password`);
  if (open && open.holder !== undefined && open.holder !== holder) return refused(state, 'NoSession', `session ${id} is another key's`);
  if (!open && again) return refused(state, 'NoSession', `session ${id} is unknown or expired`);
  if (open && connection !== undefined) open.connection = connection;
  if (!open) {
    const session = newSession({
      id: ownText(id),
      ttlMs,
      creator: ownText(creator),
      password: password && new Uint8Array(password),
      holder: holder && ownText(holder),
    });
    session.connection = connection ?? 0;
    state.sessions.set(session.id, session);
  }
  return { kind: 'done', revision: state.revision };
}

/** Ends a session, by its client's wish or because it was not heard of; its nodes go with it. One that is gone is gone. */
export function closeSession(edit: Edit, { session: id }: CloseSession): Done {
  const { state } = edit;
  const session = state.sessions.get(id);
  if (session) {
    for (const path of sorted(session.ephemerals)) removeNode(edit, nodeAt(state, parentPath(path))!, path, lastName(path));
    state.sessions.delete(id);
  }
  return { kind: 'done', revision: state.revision };
}

export function samePassword(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}
