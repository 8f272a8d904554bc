import { sql } from 'drizzle-orm';
import { inTransaction, type Queryable, rows } from '../../base/database.ts';
import { newId } from '../../base/ids.ts';
import { bucketTimeMs, TRASH_NAME, trashPlaces } from '../core/trash.ts';
import type { MasterContext } from './context.ts';
import { type Inode, walk } from './inodes.ts';
import { lockMove, lockTree } from './quotas.ts';
import { detach, makeDirectories, move } from './tree.ts';

/** Instead of `detach`; a directory under `lockTree`. What is in the trash counts for no quota but those of the trash's own directories and the root's. */
export async function moveToTrash(tx: Queryable, inode: Inode, names: readonly string[], owner: string, nowMs: number): Promise<void> {
  const places = trashPlaces(owner, nowMs, names, newId());
  const found = await walk(tx, places);
  const free = places.findIndex((place, i) => found[i]!.length <= place.length && found[i]!.at(-1)!.type === 'directory');
  // The last one holds a fresh id, so that something can stand there only where somebody put it on purpose.
  const chosen = free === -1 ? places.length - 1 : free;
  const place = places[chosen]!;
  // Mostly something was removed from the same directory in these ten minutes, and its like is there.
  const ready = found[chosen]![place.length - 1];
  const parent = ready?.id ?? (await makeDirectories(tx, place.slice(0, -1), owner));
  if (inode.type === 'directory') await lockMove(tx, inode.parent, parent);
  await move(tx, inode, parent, place.at(-1)!);
}

interface Bucket {
  id: string;
  user: string;
  name: string;
}

/** Takes what was removed before `beforeMs` out of the tree, of one user or of all; where that is done the garbage loop goes on. @returns how many directories of a time went. */
export async function emptyTrash({ db }: MasterContext, { user, beforeMs }: { user?: string; beforeMs: number }): Promise<number> {
  const [[, trash]] = (await walk(db, [[TRASH_NAME]])) as [Inode[]];
  if (!trash) return 0;
  const buckets = await rows<Bucket>(
    db,
    sql`
      select bucket.id, of.name as user, bucket.name
      from pangu.inodes of join pangu.inodes bucket on bucket.parent = of.id and bucket.type = 'directory'
      where of.parent = ${trash.id} and of.type = 'directory' and (${user ?? null}::text is null or of.name = ${user ?? null})`,
  );
  const due = buckets.filter(({ name }) => (bucketTimeMs(name) ?? Number.POSITIVE_INFINITY) <= beforeMs);
  for (const { user: of, name, id } of due) {
    await inTransaction(db, async (tx) => {
      await lockTree(tx);
      const bucket = (await walk(tx, [[TRASH_NAME, of, name]]))[0]![3];
      if (bucket?.id !== id) return; // another master was quicker, or somebody took it out
      await lockMove(tx, bucket.parent, null);
      await detach(tx, bucket);
    });
  }
  return due.length;
}
