import { VALUE_BYTES_MAX } from '../../contract.ts';
import { type Applied, refused, type SetValue } from './command.ts';
import { guardProblem } from './guard.ts';
import { parsePath } from './path.ts';
import { type TreeState, walk } from './state.ts';

export function applySet(state: TreeState, command: SetValue, nowMs: number): Applied {
  const { path, value } = command;
  const { segments, problem } = parsePath(path);
  if (!segments) return refused('BadPath', `${path}: ${problem}`);
  if (value.length > VALUE_BYTES_MAX) return refused('ValueTooLarge', `${value.length} bytes, the limit is ${VALUE_BYTES_MAX}`);
  const { node, depth } = walk(state, segments);
  if (depth < segments.length) return refused('NoNode', `${path} is not there`);
  const other = guardProblem(node, path, command);
  if (other) return refused('BadVersion', other);

  node.value = value;
  node.version++;
  node.modifyRevision = ++state.revision;
  node.modifiedAtMs = nowMs;
  return {
    reply: { kind: 'done', revision: state.revision, version: node.version },
    events: [{ kind: 'changed', path, revision: state.revision, value }],
  };
}
