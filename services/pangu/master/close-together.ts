import { sql } from 'drizzle-orm';
import type { z } from 'zod';
import { type Database, rows } from '../../base/database.ts';
import type { masterService } from '../master-contract.ts';
import { appearTogether } from './appear-together.ts';
import { INODE_COLUMNS, type Inode, takenForOne } from './inodes.ts';

type Request = z.output<(typeof masterService.methods.commit)['request']>;

export interface CommitAsked {
  readonly file: string;
  readonly epoch: number;
  readonly chunk: string;
  readonly length: number;
}

/** Undefined: this is not the usual end of a small file. */
export function toClose({ file, chunks, close, epoch }: Request): CommitAsked | undefined {
  const [written, ...more] = chunks;
  if (!close || !written || more.length > 0 || epoch === undefined) return undefined;
  const { chunk, offset, length, state, lost } = written;
  return state === 'sealed' && offset === 0 && length > 0 && lost.length === 0 ? { file, epoch, chunk, length } : undefined;
}

/**
 * Most files are one chunk at their path, written by whoever made them: all is checked and said in one statement instead of five, for all that are closed just now. Undefined:
 * something is not so, and the transaction says what. Chunks that come while this statement waits for a row are another writer's, whose epoch is another; this one's were
 * all made before it closes the file. The row is locked, so it is found again by where it lies.
 */
export async function closeTogether(db: Database, asked: CommitAsked[]): Promise<(Inode | undefined)[]> {
  const closed = await closeAtPaths(db, asked);
  const left = asked.filter(({ file }) => !closed.has(file));
  for (const inode of left.length > 0 ? await appearTogether(db, left) : []) if (inode) closed.set(inode.id, inode);
  return asked.map(({ file }) => closed.get(file));
}

async function closeAtPaths(db: Database, asked: CommitAsked[]): Promise<Map<string, Inode>> {
  const closed = await rows<Inode>(
    db,
    sql`
      with asked as materialized (
        select * from jsonb_to_recordset(${JSON.stringify(asked)}::jsonb) as asked (file text, epoch bigint, chunk text, length bigint)
        where ${sql.raw(takenForOne('file'))} order by file
      ), file as materialized (
        select i.id, i.place, asked.chunk, asked.length from asked cross join lateral (
          select i.id, i.ctid as place from pangu.inodes i
          where i.id = asked.file and i.type = 'file' and i.kind = 'append' and i.state = 'open' and i.deleted_at is null and i.target is null
            and i.epoch = asked.epoch and i.chunk_bytes >= asked.length
          limit 1 for update
        ) i
      ), chunk as (
        update pangu.chunks c set "offset" = 0, length = file.length, state = 'sealed' from file
        where c.id = file.chunk and c.file = file.id and c.state = 'open' and c.length <= file.length
          and not exists (select 1 from pangu.chunks other where other.file = file.id and other.id <> c.id)
        returning file.place, file.length
      )
      update pangu.inodes i set state = 'closed', writer = null, recovery_until = null, size = chunk.length, modified_at = now()
      from chunk where i.ctid = chunk.place
      returning ${INODE_COLUMNS}`,
  );
  return new Map(closed.map((inode) => [inode.id, inode]));
}
