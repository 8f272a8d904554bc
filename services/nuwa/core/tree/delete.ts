import type { NuwaEvent } from '../../contract.ts';
import { type Applied, type Delete, refused } from './command.ts';
import { guardProblem } from './guard.ts';
import { parsePath } from './path.ts';
import { removeNode } from './remove.ts';
import { type TreeState, walk } from './state.ts';

export function applyDelete(state: TreeState, command: Delete): Applied {
  const { path, recursive = false } = command;
  const { segments, problem } = parsePath(path);
  if (!segments) return refused('BadPath', `${path}: ${problem}`);
  if (segments.length === 0) return refused('BadPath', '/ cannot be deleted');
  const { node, depth } = walk(state, segments);
  if (depth < segments.length) return refused('NoNode', `${path} is not there`);
  const other = guardProblem(node, path, command);
  if (other) return refused('BadVersion', other);
  if (node.children && !recursive) return refused('NotEmpty', `${path} has ${node.children.size} children`);

  const events: NuwaEvent[] = [];
  removeNode(state, path, events);
  return { reply: { kind: 'done', revision: state.revision }, events };
}
