import { PERMISSIONS, VALUE_BYTES_MAX } from '../../contract.ts';
import { aclProblem, allows, internAcl } from './acl.ts';
import type { Create, Done, Refused, RequestId } from './command.ts';
import type { Directory } from './directory.ts';
import { type Edit, insertNode, removeNode, setNextSequence } from './edit.ts';
import { rareOf, statOf, type TreeNode } from './node.ts';
import { childPath, childProblem, joinPath, lastName, parentPath, parsePath } from './path.ts';
import { refused } from './refused.ts';
import { nodeAt, type Session, type TreeState, walk } from './state.ts';

/** Every refusal comes before the first change, so a refused command leaves no parents behind. */
export function applyCreate(edit: Edit, session: Session, by: RequestId, command: Create): Done | Refused {
  const { state } = edit;
  const { path, value, noValue, ephemeral = false, sequential = false, replace = false, container = false, ttlMs } = command;
  const { identities } = by;
  const problem = optionsProblem(command);
  if (problem) return refused(state, 'BadArguments', problem);
  if (value.length > VALUE_BYTES_MAX) return refused(state, 'ValueTooLarge', `${value.length} bytes, the limit is ${VALUE_BYTES_MAX}`);
  const badAcl = command.acl && aclProblem(command.acl);
  if (badAcl) return refused(state, 'InvalidAcl', badAcl);
  const place = findPlace(state, command);
  if (place.kind === 'refused') return place;
  const { missing } = place;
  if (!allows(place.parent, PERMISSIONS.create, identities))
    return refused(state, 'NoAuth', `children of ${place.parentPath} are not this caller's to make`);

  const siblings = missing.length === 0 ? place.parent.directory : undefined;
  const { name, nextSequence } = sequential ? nextName(place.name, siblings) : { name: place.name, nextSequence: 0 };
  const fullPath = sequential ? path + name.slice(place.name.length) : path;
  const existing = siblings?.get(name);
  const replaced = replace && existing?.ephemeralOwner !== undefined;
  if (existing && !replaced) return refused(state, 'NodeExists', `${fullPath} is there already`);
  if (replaced && !allows(place.parent, PERMISSIONS.delete, identities))
    return refused(state, 'NoAuth', `children of ${place.parentPath} are not this caller's to remove`);

  let { parent, parentPath: above } = place;
  if (replaced) removeNode(edit, parent, fullPath, name);
  for (const each of missing) {
    above = childPath(above, each);
    parent = insertNode(edit, parent, above, each, { creator: session.creator });
  }
  if (sequential) setNextSequence(edit, parent, nextSequence);
  const acl = command.acl && internAcl(state, command.acl);
  const rare = rareOf({ ephemeralOwner: ephemeral ? session.id : undefined, container, ttlMs, acl });
  const node = insertNode(edit, parent, fullPath, name, { creator: session.creator, value, noValue, rare });
  return { kind: 'done', revision: state.revision, path: fullPath, stat: by.wantStat ? statOf(node) : undefined };
}

interface Place {
  kind: 'place';
  /** The last node on the way that is there, and which names are missing below it. */
  parent: TreeNode;
  parentPath: string;
  missing: string[];
  /** Without its counter. */
  name: string;
}

function findPlace(state: TreeState, { path, sequential = false, parents = false }: Create): Place | Refused {
  // The counter may be a name by itself: `/dir/` is then a path.
  const wanted = sequential ? path + counterText(0) : path;
  if (/^\/[^/]/.test(wanted)) {
    const parent = nodeAt(state, parentPath(wanted));
    if (parent && !childProblem(wanted, lastName(wanted))) {
      if (parent.ephemeralOwner !== undefined) return refused(state, 'EphemeralChild', `${parentPath(wanted)} is ephemeral`);
      return { kind: 'place', parent, parentPath: parentPath(wanted), missing: [], name: lastName(path) };
    }
  }
  const { segments, problem } = parsePath(wanted);
  if (!segments) return refused(state, 'BadPath', `${path}: ${problem}`);
  if (segments.length === 0) return refused(state, 'NodeExists', '/ is always there');
  const names = segments.slice(0, -1);
  const { node, depth } = walk(state, names);
  const there = names.slice(0, depth);
  if (node.ephemeralOwner !== undefined) return refused(state, 'EphemeralChild', `${joinPath(there)} is ephemeral`);
  if (!parents) return refused(state, 'NoNode', `${joinPath(names.slice(0, depth + 1))}, the parent, is not there`);
  return { kind: 'place', parent: node, parentPath: joinPath(there), missing: names.slice(depth), name: lastName(path) };
}

function optionsProblem({ ephemeral, sequential, replace, container, ttlMs }: Create): string | undefined {
  if (ephemeral && container) return 'an ephemeral node has no children, a container is there for them';
  if (ephemeral && ttlMs !== undefined) return 'an ephemeral node goes with its session, not by a TTL';
  if (container && ttlMs !== undefined) return 'a container goes with its children, not by a TTL';
  if (sequential && replace) return 'a sequential node has a name that nobody had before';
  if (ttlMs !== undefined && !(Number.isSafeInteger(ttlMs) && ttlMs > 0)) return `${ttlMs} ms is no TTL`;
  return undefined;
}

/** A name that somebody made by hand is passed over. */
function nextName(prefix: string, siblings: Directory | undefined): { name: string; nextSequence: number } {
  let nextSequence = siblings?.nextSequence ?? 0;
  let name: string;
  do name = prefix + counterText(nextSequence++);
  while (siblings?.has(name));
  return { name, nextSequence };
}

const COUNTER_DIGITS = 10;

function counterText(counter: number): string {
  return String(counter).padStart(COUNTER_DIGITS, '0');
}
