import { assertInvariant } from '../../../base/assert.ts';
import { applyChange } from './change.ts';
import type { Applied, At, Command, Reply, Write } from './command.ts';
import type { Edit } from './edit.ts';
import { applyReap } from './reap.ts';
import { refused } from './refused.ts';
import { recallReply, rememberReply, settle } from './replies.ts';
import { closeSession, openSession } from './sessions.ts';
import type { TreeState } from './state.ts';
import { applyTransaction } from './transaction.ts';

/**
 * The one way in which the tree changes: the commands of one entry of the log, which share its index and its time; an entry may have none.
 * Deterministic: the same entries give the same state, the same replies and the same events on every server, so it can be replicated by a
 * log as it stands. What differs from server to server stays outside: who watches, when a session was last heard of, what time it is.
 */
export function applyBatch(state: TreeState, commands: readonly Command[], at: At): Applied[] {
  assertInvariant(at.index === state.index + 1, `entry ${at.index} after ${state.index}`);
  state.index = at.index;
  return commands.map((command) => {
    const edit: Edit = { state, nowMs: at.nowMs, events: [] };
    const revisionBefore = state.revision;
    const reply = step(edit, command);
    assertInvariant(edit.events.length === state.revision - revisionBefore, 'one event per revision');
    return { reply, events: edit.events };
  });
}

/** An entry of one command. */
export function apply(state: TreeState, command: Command, at: At): Applied {
  return applyBatch(state, [command], at)[0]!;
}

function step(edit: Edit, command: Command): Reply {
  switch (command.kind) {
    case 'openSession':
      return openSession(edit.state, command);
    case 'closeSession':
      return closeSession(edit, command);
    case 'reap':
      return applyReap(edit, command);
    default:
      return stepWrite(edit, command);
  }
}

function stepWrite(edit: Edit, write: Write): Reply {
  const { state } = edit;
  const session = state.sessions.get(write.session);
  if (!session) return refused(state, 'NoSession', `session ${write.session} is unknown or expired`);
  // It is on its way since before the session's client went to another server, and gave it up there.
  if (write.connection !== undefined && write.connection !== session.connection)
    return refused(state, 'SessionMoved', `session ${write.session} is on another connection`);
  settle(session, write.settled);
  const before = write.request === 0 ? undefined : recallReply(state, session, write.request);
  if (before) return before;
  const reply = write.kind === 'transaction' ? applyTransaction(edit, session, write, write) : applyChange(edit, session, write, write);
  if (write.request !== 0) rememberReply(session, write.request, reply);
  return reply;
}
