import { type NodeStat, OPEN_ACL, PERMISSIONS } from '../contract.ts';
import type { Change } from '../core/tree/command.ts';
import { Directory } from '../core/tree/directory.ts';
import { rareOf, statOf, TreeNode } from '../core/tree/node.ts';
import { nodeAt, type TreeState } from '../core/tree/state.ts';
import { isSystemPath, SYSTEM_NAME, SYSTEM_PATH } from '../core/tree/system-path.ts';
import { ERRORS } from './protocol.ts';

/**
 * `/zookeeper` with `config` and `quota` below it, which ZooKeeper's clients expect to find. They are no nodes of the tree but the same for
 * everybody and for ever; what they are is what an idle ZooKeeper server shows. Who looks through this door sees them among the others; nothing of them
 * can be changed, since there is nothing behind them: the group is changed by `feitian nuwa members`, and there are no quotas.
 */
const ROOT = SYSTEM_PATH;
const NAME = SYSTEM_NAME;
const CHILDREN = ['config', 'quota'];

function newNode(): TreeNode {
  return new TreeNode({ packed: '', revision: 0, nowMs: 0, creator: '' });
}

const top = newNode();
const nodes = new Map([[ROOT, top]]);
top.directory = new Directory(0);
top.directory.childVersion = -CHILDREN.length;
for (const name of CHILDREN) {
  const node = newNode();
  top.directory.add(name, node);
  nodes.set(`${ROOT}/${name}`, node);
}
const CONFIG_ACL = OPEN_ACL.map((entry) => ({ ...entry, permissions: PERMISSIONS.read }));
nodes.get(`${ROOT}/config`)!.rare = rareOf({ acl: CONFIG_ACL, aclVersion: -1 });

/** The node that is seen at a path through this door. */
export function seenAt(state: TreeState, path: string): TreeNode | undefined {
  return isSystemPath(path) ? nodes.get(path) : nodeAt(state, path);
}

/** The names of its children, in no order that means anything. */
export function seenNames(path: string, node: TreeNode): string[] {
  const names = [...(node.children?.keys() ?? [])];
  return path === '/' ? [...names.filter((name) => name !== NAME), NAME] : names;
}

export function seenStat(path: string, node: TreeNode): NodeStat {
  const stat = statOf(node);
  return path === '/' && !node.directory?.has(NAME) ? { ...stat, childCount: stat.childCount + 1 } : stat;
}

/** How many nodes there are below it. */
export function seenBelow(path: string, node: TreeNode): number {
  if (path !== '/') return countBelow(node);
  const hidden = node.directory?.get(NAME);
  return countBelow(node) - (hidden ? 1 + countBelow(hidden) : 0) + nodes.size;
}

function countBelow(node: TreeNode): number {
  let count = 0;
  for (const child of node.children?.values() ?? []) count += 1 + countBelow(child);
  return count;
}

/** Why this change cannot be made, as the number of an error; undefined: it is one of the tree. */
export function systemProblem({
  kind,
  path,
  sequential,
}: Pick<Change, 'kind' | 'path'> & { sequential?: boolean | undefined }): number | undefined {
  if (!isSystemPath(path) || (sequential && path === ROOT)) return undefined;
  if (kind === 'create') return nodes.has(path) && !sequential ? ERRORS.nodeExists : ERRORS.noAuth;
  if (!nodes.has(path)) return ERRORS.noNode;
  return kind === 'delete' ? ERRORS.badArguments : ERRORS.noAuth;
}
