import { PERMISSIONS } from '../../contract.ts';
import { allows } from './acl.ts';
import type { Check, Done, Refused, RequestId } from './command.ts';
import { guardProblem } from './guard.ts';
import { notThere, refused } from './refused.ts';
import { nodeAt, type TreeState } from './state.ts';

/** Changes nothing. What does not hold is a Conflict, and `found` says what stood there instead. */
export function applyCheck(state: TreeState, by: RequestId, command: Check): Done | Refused {
  const { path, absent = false, version, createRevision } = command;
  if (absent && (version !== undefined || createRevision !== undefined))
    return refused(state, 'BadArguments', 'a node that is to be absent has no version');
  const node = nodeAt(state, path);
  if (!node) {
    const gone = notThere(state, path);
    if (gone.code === 'BadPath') return gone;
    return absent ? { kind: 'done', revision: state.revision } : { ...gone, code: 'Conflict', found: 'NoNode' };
  }
  if (!allows(node, PERMISSIONS.read, by.identities)) return refused(state, 'NoAuth', `${path} is not this caller's to read`);
  if (absent) return { ...refused(state, 'Conflict', `${path} is there`), found: 'NodeExists' };
  const other = guardProblem(node, path, command);
  if (other) return { ...refused(state, 'Conflict', other), found: 'BadVersion' };
  return { kind: 'done', revision: state.revision };
}
