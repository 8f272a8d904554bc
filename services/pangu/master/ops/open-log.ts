import { sql } from 'drizzle-orm';
import type { z } from 'zod';
import { inTransaction, retryConflicts } from '../../../base/database.ts';
import { PanguError } from '../../contract.ts';
import { parsePath } from '../../core/path.ts';
import type { LogPlaced } from '../../log-contract.ts';
import type { masterService } from '../../master-contract.ts';
import type { MasterContext } from '../context.ts';
import { chunkBytesBelow, endOf, parentOf, walk } from '../inodes.ts';
import { addLogChunk, lockLog, openChunkOf, placeLogChunk, toPlace } from '../log-places.ts';
import { makeDirectories } from '../tree.ts';

type Request = z.output<(typeof masterService.methods.openLog)['request']>;

/** The unique key of (parent, name) decides who makes it; all others find it. */
export async function openLog(context: MasterContext, request: Request, owner = ''): Promise<LogPlaced> {
  const { db } = context;
  const { path, file, replicas, minReplicas, parents } = request;
  const parsed = parsePath(path);
  if (parsed.directory) throw new PanguError('EISDIR', `${path} names a directory`);
  return retryConflicts(async () => {
    let [inodes] = await walk(db, [parsed.names]);
    const existing = endOf(inodes!, parsed, path);
    if (existing?.type === 'directory') throw new PanguError('EISDIR', `${path} is a directory`);
    if (existing && existing.kind !== 'log') throw new PanguError('EBADF', `${path} is a file of kind ${existing.kind}`);
    if (existing) return placeOf(context, existing.id);
    if (parents && inodes!.length < parsed.names.length) {
      await makeDirectories(db, parsed.names.slice(0, -1), owner);
      [inodes] = await walk(db, [parsed.names]);
    }
    const parent = parentOf(inodes!, parsed, path);
    const chunkBytes = request.chunkBytes ?? chunkBytesBelow(inodes!);
    await db.execute(sql`
      insert into pangu.inodes (id, parent, name, type, kind, state, chunk_bytes, replicas, min_replicas, owner, epoch)
      values (${file}, ${parent.id}, ${parsed.names.at(-1)!}, 'file', 'log', 'closed', ${chunkBytes}, ${replicas}, ${minReplicas}, ${owner}, 1)
      on conflict (id) do nothing`);
    return placeOf(context, file);
  });
}

/** Where the log goes on: in its open chunk, or in one that is made now. */
export function placeOf(context: MasterContext, file: string, exclude: readonly string[] = []): Promise<LogPlaced> {
  return inTransaction(context.db, async (tx) => {
    const inode = await lockLog(tx, file);
    const chunk = (await openChunkOf(tx, file)) ?? (await addLogChunk(tx, inode, placeLogChunk(context, inode, exclude)));
    return { file, chunkBytes: inode.chunkBytes, ...toPlace(context, chunk) };
  });
}
