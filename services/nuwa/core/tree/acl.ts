import { type Acl, type AclEntry, PERMISSIONS } from '../../contract.ts';
import type { TreeNode } from './node.ts';
import type { TreeState } from './state.ts';

/**
 * Who may do what with a node, as ZooKeeper has it: a list of entries, each of which gives permissions to everybody (`world:anyone`) or to
 * one who showed a name and password (`digest`). Reading and setting ask the node, making and removing ask its parent, changing the ACL asks
 * the node for `admin`. Only those who come by the ZooKeeper door have identities and are asked; Nuwa's own clients are known to Zhongkui,
 * and whoever is let in by it may change everything.
 *
 * Few distinct ACLs stand on many nodes, so equal ones are one object.
 */
export const ACL_ENTRIES_MAX = 128;
const ACL_ID_BYTES_MAX = 255;

/** Whether the node's ACL gives this permission, one of PERMISSIONS, to one of the identities (`scheme:id` each). Absent: not asked. */
export function allows(node: TreeNode, permission: number, identities: readonly string[] | undefined): boolean {
  if (identities === undefined || node.rare?.acl === undefined) return true;
  return gives(node.acl, permission, identities);
}

export function gives(acl: Acl, permission: number, identities: readonly string[]): boolean {
  return acl.some((entry) => (entry.permissions & permission) !== 0 && isFor(entry, identities));
}

function isFor({ scheme, id }: AclEntry, identities: readonly string[]): boolean {
  return scheme === 'world' || identities.includes(`${scheme}:${id}`);
}

/** In one sentence why this is no ACL, or undefined. */
export function aclProblem(acl: Acl): string | undefined {
  if (acl.length === 0) return 'an ACL has at least one entry';
  if (acl.length > ACL_ENTRIES_MAX) return `an ACL has at most ${ACL_ENTRIES_MAX} entries`;
  for (const { permissions, scheme, id } of acl) {
    if (!Number.isInteger(permissions) || permissions < 0 || permissions > PERMISSIONS.all) return `${permissions} are no permissions`;
    if (scheme !== 'world' && scheme !== 'digest') return `${scheme} is no scheme`;
    if (scheme === 'world' && id !== 'anyone') return `world:${id} is nobody; world:anyone is everybody`;
    if (scheme === 'digest' && (id.length > ACL_ID_BYTES_MAX || !/^[^:]+:[^:]+$/.test(id))) return 'the id of a digest is user:hash';
  }
  return undefined;
}

/** The ACL as nodes keep it: without repeated entries, one object for equal ones, undefined for the open one. */
export function internAcl(state: TreeState, acl: Acl): Acl | undefined {
  const entries = new Map(acl.map(({ permissions, scheme, id }) => [`${permissions} ${scheme}:${id}`, { permissions, scheme, id }]));
  const text = [...entries.keys()].join(',');
  if (text === OPEN_TEXT) return undefined;
  const known = state.acls.get(text);
  if (known) return known;
  // Only a way to save memory: forgetting it costs no more than some objects that are equal and not the same.
  if (state.acls.size >= INTERNED_MAX) state.acls.clear();
  const interned = [...entries.values()];
  state.acls.set(text, interned);
  return interned;
}

const OPEN_TEXT = `${PERMISSIONS.all} world:anyone`;
const INTERNED_MAX = 4_096;
