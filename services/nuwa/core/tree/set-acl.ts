import { PERMISSIONS } from '../../contract.ts';
import { aclProblem, allows, internAcl } from './acl.ts';
import type { Done, Refused, RequestId, SetAcl } from './command.ts';
import { type Edit, setRare } from './edit.ts';
import { rareOf, statOf } from './node.ts';
import { notThere, refused } from './refused.ts';
import { nodeAt } from './state.ts';

/** Changes neither value, version nor revision: what watchers look at stays as it was. */
export function applySetAcl(edit: Edit, by: RequestId, command: SetAcl): Done | Refused {
  const { state } = edit;
  const { path, acl, aclVersion } = command;
  const problem = aclProblem(acl);
  if (problem) return refused(state, 'InvalidAcl', problem);
  const node = nodeAt(state, path);
  if (!node) return notThere(state, path);
  if (!allows(node, PERMISSIONS.admin, by.identities)) return refused(state, 'NoAuth', `the ACL of ${path} is not this caller's to set`);
  if (aclVersion !== undefined && aclVersion !== node.aclVersion)
    return refused(state, 'BadVersion', `the ACL of ${path} has version ${node.aclVersion}, not ${aclVersion}`);

  const { ephemeralOwner, container, ttlMs } = node;
  setRare(edit, node, rareOf({ ephemeralOwner, container, ttlMs, acl: internAcl(state, acl), aclVersion: node.aclVersion + 1 }));
  return { kind: 'done', revision: state.revision, version: node.aclVersion, stat: by.wantStat ? statOf(node) : undefined };
}
