import { sql } from 'drizzle-orm';
import { rows } from '../../base/database.ts';
import { KuafuError } from '../../kuafu/contract.ts';
import { type Caller, NOBODY } from '../../kuafu/guard-contract.ts';
import { pathResource } from '../core/resources.ts';
import type { MasterContext } from './context.ts';

/**
 * Who may do something is asked of paths, and some requests name a file by its id, or one of its chunks. Where such a file stands now, or will
 * appear, is looked up for the call: directories move, and with them what their files may be touched by.
 *
 * A file that is out of the tree has no path to ask of. Its id is a random one that only those were told who opened it while they might; they read on, and
 * nobody can write to it any more.
 */
export type Named = { file: string } | { chunk: string };

/** Paths have at most 4,096 bytes, so no more names than half of that. */
const DEPTH_MAX = 2_048;

/** Throws KuafuError PermissionDenied. Without a guard there is nobody to ask about. */
export async function assertMay(context: MasterContext, caller: Caller, operation: string, named: Named): Promise<void> {
  if (caller === NOBODY || caller.refusal(operation, pathResource('/', context.cluster)) === undefined) return;
  const path = await pathOf(context, named);
  if (path === undefined) return;
  const reason = caller.refusal(operation, pathResource(path, context.cluster));
  if (reason === undefined) return;
  // Neither path nor reason is told: both would say where somebody else's file stands.
  const details = { operation, ...named };
  throw new KuafuError('PermissionDenied', `this caller may not ${operation} that file`, { details, cause: new Error(reason) });
}

/** Undefined: it is not there, or not in the tree. */
async function pathOf({ db }: MasterContext, named: Named): Promise<string | undefined> {
  const file = 'file' in named ? sql`${named.file}` : sql`(select file from pangu.chunks where id = ${named.chunk})`;
  // From the file up to the root, which is the last row where the file is in the tree.
  const up = await rows<{ id: string; name: string; target: string | null }>(
    db,
    sql`
      with recursive up (id, parent, name, target, depth) as (
        select id, parent, name, target, 0 from pangu.inodes where id = ${file}
        union all
        select above.id, above.parent, above.name, above.target, up.depth + 1
        from up cross join lateral (select * from pangu.inodes where inodes.id = up.parent limit 1) above where up.depth < ${DEPTH_MAX}
      )
      select id, name, target from up order by depth`,
  );
  const hidden = up[0]?.target;
  if (hidden) return hidden;
  if (up.length < 2 || up.at(-1)!.id !== 'root') return undefined;
  return `/${up
    .slice(0, -1)
    .map(({ name }) => name)
    .reverse()
    .join('/')}`;
}
