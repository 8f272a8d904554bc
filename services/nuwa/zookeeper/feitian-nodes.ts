import { FEITIAN_PATHS } from '../contract.ts';
import { isUnder } from '../core/tree/path.ts';

/**
 * What Feitian itself keeps in the tree: who serves what and where, which nodes there are, what was revoked. Who comes through this door has shown no key, and whoever
 * could write there could pass for a master. So it is closed to this door, for reading and writing: `NoAuth`, whatever the nodes' ACLs say, and no watch tells of it. That the
 * topmost nodes are there can be seen in the root's list.
 */
export function isFeitians(path: string): boolean {
  return FEITIAN_PATHS.some((own) => isUnder(path, own, true));
}
