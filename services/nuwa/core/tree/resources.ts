import { escapePath } from '../../../base/escape-segment.ts';
import { isPlainPath } from '../../../base/plain-path.ts';
import { NuwaError } from '../../contract.ts';
import { parsePath } from './path.ts';

/** What requests touch, as `nuwa://<cluster>/<path>`. A path that is none is refused as the operations refuse it. Errors: BadPath. */
export function pathResource({ path }: { path: string }, cluster: string): string {
  if (isPlainPath(path)) return `nuwa://${cluster}${path}`;
  const { problem } = parsePath(path);
  if (problem !== undefined) throw new NuwaError('BadPath', `${path}: ${problem}`);
  return `nuwa://${cluster}${escapePath(path)}`;
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
