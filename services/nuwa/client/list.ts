import type { NuwaNode } from '../contract.ts';
import type { NuwaRpc } from './rpc.ts';

/**
 * A whole directory; large ones come in pages. `revision` is the first page's: what changed between the pages may be in the children already,
 * and a watch from `revision` on tells it in any case. `readTo` is the last page's.
 */
export async function listAll(
  rpc: NuwaRpc,
  path: string,
  signal?: AbortSignal,
  stale?: boolean,
): Promise<{ children: NuwaNode[]; revision: number; readTo: number }> {
  const first = await rpc.list({ path, stale }, { signal });
  const { children, revision } = first;
  let readTo = revision;
  for (let { next } = first; next !== undefined; ) {
    const page = await rpc.list({ path, after: next, stale }, { signal });
    for (const child of page.children) children.push(child);
    readTo = page.revision;
    next = page.next;
  }
  return { children, revision, readTo };
}
