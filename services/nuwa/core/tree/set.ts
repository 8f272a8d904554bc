import { PERMISSIONS, VALUE_BYTES_MAX } from '../../contract.ts';
import { allows } from './acl.ts';
import type { Done, Refused, RequestId, SetValue } from './command.ts';
import { type Edit, setValue } from './edit.ts';
import { guardProblem } from './guard.ts';
import { statOf } from './node.ts';
import { notThere, refused } from './refused.ts';
import { nodeAt } from './state.ts';

export function applySet(edit: Edit, by: RequestId, command: SetValue): Done | Refused {
  const { state } = edit;
  const { path, value, noValue } = command;
  if (value.length > VALUE_BYTES_MAX) return refused(state, 'ValueTooLarge', `${value.length} bytes, the limit is ${VALUE_BYTES_MAX}`);
  const node = nodeAt(state, path);
  if (!node) return notThere(state, path);
  if (!allows(node, PERMISSIONS.write, by.identities)) return refused(state, 'NoAuth', `${path} is not this caller's to set`);
  const other = guardProblem(node, path, command);
  if (other) return refused(state, 'BadVersion', other);

  setValue(edit, node, path, value, noValue);
  return { kind: 'done', revision: state.revision, version: node.version, stat: by.wantStat ? statOf(node) : undefined };
}
