import { type NuwaEvent, VALUE_BYTES_MAX } from '../../contract.ts';
import { type Applied, type Create, refused } from './command.ts';
import { joinPath, parsePath } from './path.ts';
import { removeNode } from './remove.ts';
import { newNode, type Session, type TreeNode, type TreeState, walk } from './state.ts';

/** Every refusal comes before the first change, so a refused command leaves no parents behind. */
export function applyCreate(state: TreeState, session: Session, command: Create, nowMs: number): Applied {
  const { path, value, ephemeral = false, sequential = false, parents = false, replace = false } = command;
  const { segments, problem } = parsePath(sequential ? path + counterText(0) : path);
  if (!segments) return refused('BadPath', `${path}: ${problem}`);
  if (value.length > VALUE_BYTES_MAX) return refused('ValueTooLarge', `${value.length} bytes, the limit is ${VALUE_BYTES_MAX}`);
  if (segments.length === 0) return refused('NodeExists', '/ is always there');

  const names = segments.slice(0, -1);
  let { node: parent, depth } = walk(state, names);
  if (parent.ephemeralOwner !== undefined) return refused('EphemeralChild', `${joinPath(names.slice(0, depth))} is ephemeral`);
  if (depth < names.length && !parents) return refused('NoNode', `${joinPath(names.slice(0, depth + 1))}, the parent, is not there`);

  let name = segments.at(-1)!;
  let nextSequence = 0;
  if (sequential) {
    const prefix = name.slice(0, -COUNTER_DIGITS);
    nextSequence = depth === names.length ? parent.nextSequence : 0;
    // A name that somebody made by hand is passed over.
    do name = prefix + counterText(nextSequence++);
    while (depth === names.length && parent.children?.has(name));
  }
  const fullPath = joinPath([...names, name]);
  const existing = depth === names.length ? parent.children?.get(name) : undefined;
  const replaced = replace && existing?.ephemeralOwner !== undefined;
  if (existing && !replaced) return refused('NodeExists', `${fullPath} is there already`);

  const events: NuwaEvent[] = [];
  if (replaced) removeNode(state, fullPath, events);
  for (; depth < names.length; depth++) {
    const node = newNode({ creator: session.creator, revision: ++state.revision, nowMs });
    parent = addChild(parent, names[depth]!, node);
    events.push({ kind: 'created', path: joinPath(names.slice(0, depth + 1)), revision: node.createRevision, value: node.value });
  }
  if (sequential) parent.nextSequence = nextSequence;
  const owner = ephemeral ? session.id : undefined;
  addChild(parent, name, newNode({ creator: session.creator, revision: ++state.revision, nowMs, value, owner }));
  if (ephemeral) session.ephemerals.add(fullPath);
  events.push({ kind: 'created', path: fullPath, revision: state.revision, value });
  return { reply: { kind: 'done', revision: state.revision, path: fullPath }, events };
}

function addChild(parent: TreeNode, name: string, node: TreeNode): TreeNode {
  parent.children ??= new Map();
  parent.children.set(name, node);
  return node;
}

const COUNTER_DIGITS = 10;

function counterText(counter: number): string {
  return String(counter).padStart(COUNTER_DIGITS, '0');
}
