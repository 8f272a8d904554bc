import type { Logger } from '../base/log.ts';
import { keepFollowing } from '../nuwa/client.ts';
import type { NuwaClient } from '../nuwa/contract.ts';

/**
 * The children of a directory of Nuwa, kept current until the signal aborts: name → the value as JSON, or undefined when it is none. While
 * Nuwa is away what was seen last stays.
 *
 * @returns once the first list is there.
 */
export async function followChildren(
  nuwa: NuwaClient,
  path: string,
  { log, signal }: { log: Logger; signal: AbortSignal },
): Promise<ReadonlyMap<string, unknown>> {
  const children = new Map<string, unknown>();
  const nameOf = (child: { path: string }): string => child.path.slice(path.length + 1);
  await keepFollowing(nuwa, path, {
    signal,
    log,
    take(news) {
      if (news.kind === 'snapshot') {
        children.clear();
        for (const node of news.nodes) children.set(nameOf(node), jsonOf(node.value));
      } else if (news.event.kind === 'deleted') children.delete(nameOf(news.event));
      else children.set(nameOf(news.event), jsonOf(news.event.value!));
    },
  });
  return children;
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}
