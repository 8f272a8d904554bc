import { escapePath } from '../../../base/escape-segment.ts';
import { isPlainPath } from '../../../base/plain-path.ts';
import { NuwaError } from '../../contract.ts';
import { isUnder, parsePath } from './path.ts';

export const ZHONGKUI_PATH = '/zhongkui';

/**
 * What requests touch, as `nuwa://<cluster>/<path>`. A path that is none is refused as the operations refuse it. Errors: BadPath.
 *
 * What Zhongkui keeps in the tree, below `/zhongkui`, is `zhongkui://<cluster>/<path>`: whoever may write the whole tree must not be able to take revocations back. Who may
 * read the whole tree hears of it when he watches the root; nothing secret stands there.
 */
export function pathResource({ path }: { path: string }, cluster: string): string {
  const escaped = isPlainPath(path) ? path : escapeGood(path);
  if (!isUnder(path, ZHONGKUI_PATH, true)) return `nuwa://${cluster}${escaped}`;
  return `zhongkui://${cluster}${escaped.slice(ZHONGKUI_PATH.length) || '/'}`;
}

function escapeGood(path: string): string {
  const { problem } = parsePath(path);
  if (problem !== undefined) throw new NuwaError('BadPath', `${path}: ${problem}`);
  return escapePath(path);
}

/** A node to be made; the counter of a sequential one is part of its name, and any will do. */
export function newNodeResource({ path, sequential }: { path: string; sequential?: boolean | undefined }, cluster: string): string {
  return pathResource({ path: sequential ? `${path}0` : path }, cluster);
}

type Operation = { kind: string; path: string; sequential?: boolean | undefined };

/** Also what is only checked counts as written: whether a check held tells about the node. */
export function operationResources(operations: readonly Operation[], cluster: string): string[] {
  return operations.map((operation) => newNodeResource(operation, cluster));
}
