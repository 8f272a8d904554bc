import { assertInvariant } from '../../../base/assert.ts';
import type { Applied, At, Command, Write } from './command.ts';
import { refused } from './command.ts';
import { applyCreate } from './create.ts';
import { applyDelete } from './delete.ts';
import { recallReply, rememberReply, settle } from './replies.ts';
import { closeSession, openSession } from './sessions.ts';
import { applySet } from './set.ts';
import type { Session, TreeState } from './state.ts';

/**
 * The one way in which the tree changes. Deterministic: the same commands give the same state, the same replies and the same
 * events on every server, so it can be replicated by a log as it stands. What differs from server to server stays outside:
 * who watches, when a session was last heard of, what time it is.
 */
export function apply(state: TreeState, command: Command, at: At): Applied {
  assertInvariant(at.index === state.index + 1, `command ${at.index} after ${state.index}`);
  state.index = at.index;
  const revisionBefore = state.revision;
  const applied = step(state, command, at);
  assertInvariant(applied.events.length === state.revision - revisionBefore, 'one event per revision');
  return applied;
}

function step(state: TreeState, command: Command, at: At): Applied {
  switch (command.kind) {
    case 'openSession':
      return openSession(state, command);
    case 'closeSession':
      return closeSession(state, command);
    default:
      return stepWrite(state, command, at);
  }
}

function stepWrite(state: TreeState, write: Write, at: At): Applied {
  const session = state.sessions.get(write.session);
  if (!session) return refused('NoSession', `session ${write.session} is unknown or expired`);
  settle(session, write.settled);
  const before = recallReply(session, write.request);
  if (before) return { reply: before, events: [] };
  const applied = change(state, session, write, at.nowMs);
  rememberReply(session, write.request, applied.reply);
  return applied;
}

function change(state: TreeState, session: Session, write: Write, nowMs: number): Applied {
  switch (write.kind) {
    case 'create':
      return applyCreate(state, session, write, nowMs);
    case 'set':
      return applySet(state, write, nowMs);
    case 'delete':
      return applyDelete(state, write);
  }
}
