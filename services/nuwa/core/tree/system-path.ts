import { isUnder } from './path.ts';

/** What ZooKeeper's clients find there is the same for everybody and no node of the tree (zookeeper/system-nodes.ts): none is made there through either door. */
export const SYSTEM_NAME = 'zookeeper';
export const SYSTEM_PATH = `/${SYSTEM_NAME}`;

export function isSystemPath(path: string): boolean {
  return isUnder(path, SYSTEM_PATH, true);
}
