import { sql } from 'drizzle-orm';
import type { z } from 'zod';
import { retryConflicts, rows } from '../../../base/database.ts';
import { PanguError } from '../../contract.ts';
import { parsePath } from '../../core/path.ts';
import type { RandomOpened, randomMethods } from '../../random-contract.ts';
import type { MasterContext } from '../context.ts';
import { chunkBytesBelow, endOf, parentOf, walk } from '../inodes.ts';
import { makeDirectories } from '../tree.ts';

type Request = z.output<(typeof randomMethods.randomCreate)['request']>;

/** As `create` does, without a chunk: those are made where the file is written. */
export async function randomCreate({ db }: MasterContext, request: Request, owner = ''): Promise<RandomOpened> {
  const { file, path, mode, replicas, minReplicas, writer = null } = request;
  const parsed = parsePath(path);
  if (parsed.directory) throw new PanguError('EISDIR', `${path} names a directory`);
  return retryConflicts(async () => {
    let [inodes] = await walk(db, [parsed.names]);
    const existing = endOf(inodes!, parsed, path);
    if (existing && existing.id !== file) {
      if (existing.type === 'directory' && mode === 'w') throw new PanguError('EISDIR', `${path} is a directory`);
      if (mode === 'wx') throw new PanguError('EEXIST', `${path} exists`);
    }
    if (request.parents && inodes!.length < parsed.names.length) {
      await makeDirectories(db, parsed.names.slice(0, -1), owner);
      [inodes] = await walk(db, [parsed.names]);
    }
    const parent = parentOf(inodes!, parsed, path);
    const chunkBytes = request.chunkBytes ?? chunkBytesBelow(inodes!);
    const place = mode === 'wx' ? { parent: parent.id, target: null } : { parent: null, target: path };
    // A second try finds what the first one made: the caller chose the id.
    await db.execute(sql`
      insert into pangu.inodes (id, parent, name, type, kind, state, chunk_bytes, replicas, min_replicas, target, owner, writer, epoch)
      values (${file}, ${place.parent}, ${parsed.names.at(-1)!}, 'file', 'random', 'open', ${chunkBytes}, ${replicas}, ${minReplicas}, ${place.target}, ${owner},
        ${writer}, 1)
      on conflict (id) do nothing`);
    const [made] = await rows<RandomOpened>(
      db,
      sql`
        select id as file, epoch, size, chunk_bytes as "chunkBytes", min_replicas as "minReplicas" from pangu.inodes
        where id = ${file} and deleted_at is null`,
    );
    if (!made) throw new PanguError('ENOENT', `file ${file} was made and removed`);
    return made;
  });
}
