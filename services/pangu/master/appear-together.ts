import { sql } from 'drizzle-orm';
import { type Database, type Queryable, rows, TransactionConflict } from '../../base/database.ts';
import { parsePath } from '../core/path.ts';
import type { CommitAsked } from './close-together.ts';
import { INODE_COLUMNS, type Inode, takenForOne, walk } from './inodes.ts';

interface Hidden {
  readonly id: string;
  readonly chunk: string;
  readonly length: number;
  readonly target: string;
}

interface Placed extends Hidden {
  readonly parent: string;
  readonly name: string;
  /** What is there now, and makes way. */
  readonly old: Inode | undefined;
}

/**
 * Small files of mode `w` that appear at their paths, in the place of those that are there: the steps of `commit`, each taken for all of them, in one transaction. Rows are
 * locked in one order. What is not as it usually is leaves a file out (undefined); what changes meanwhile fails all, and then each goes its own way.
 */
export function appearTogether(db: Database, asked: readonly CommitAsked[]): Promise<(Inode | undefined)[]> {
  return db.transaction(async (tx) => {
    const placed = await findPlaces(tx, await lockHidden(tx, asked));
    if (placed.length === 0) return asked.map(() => undefined);
    await makeRoom(tx, placed);
    const appeared = await appear(tx, placed);
    if (appeared.length !== placed.length) throw new TransactionConflict('a chunk is not what its writer says');
    const found = new Map(appeared.map((inode) => [inode.id, inode]));
    return asked.map(({ file }) => found.get(file));
  });
}

/** Those that are hidden, open, and this writer's. */
function lockHidden(tx: Queryable, asked: readonly CommitAsked[]): Promise<Hidden[]> {
  return rows<Hidden>(
    tx,
    sql`
      with asked as materialized (
        select * from jsonb_to_recordset(${JSON.stringify(asked)}::jsonb) as asked (file text, epoch bigint, chunk text, length bigint)
        where ${sql.raw(takenForOne('file'))} order by file
      )
      select i.id, i.target, asked.chunk, asked.length from asked cross join lateral (
        select i.id, i.target from pangu.inodes i
        where i.id = asked.file and i.type = 'file' and i.kind = 'append' and i.state = 'open' and i.deleted_at is null and i.target is not null
          and i.epoch = asked.epoch and i.chunk_bytes >= asked.length
        limit 1 for update
      ) i`,
  );
}

/** One file for each path: of several that want it, the others come after it. */
async function findPlaces(tx: Queryable, hidden: readonly Hidden[]): Promise<Placed[]> {
  if (hidden.length === 0) return [];
  const walked = await walk(
    tx,
    hidden.map(({ target }) => parsePath(target).names),
  );
  const taken = new Set<string>();
  return hidden.flatMap((file, i) => {
    const { names } = parsePath(file.target);
    const [parent, old] = [walked[i]![names.length - 1], walked[i]![names.length]];
    const name = names.at(-1)!;
    if (parent?.type !== 'directory' || (old && old.type !== 'file') || taken.has(`${parent.id}/${name}`)) return [];
    taken.add(`${parent.id}/${name}`);
    return [{ ...file, parent: parent.id, name, old }];
  });
}

async function makeRoom(tx: Queryable, placed: readonly Placed[]): Promise<void> {
  const old = placed.flatMap(({ old, parent, name }) => (old ? [{ id: old.id, parent, name }] : []));
  if (old.length === 0) return;
  const gone = await rows(
    tx,
    sql`
      with old as materialized (
        select * from jsonb_to_recordset(${JSON.stringify(old)}::jsonb) as old (id text, parent text, name text)
        where ${sql.raw(takenForOne('id'))} order by id
      ), locked as materialized (
        select i.place from old cross join lateral (
          select i.ctid as place from pangu.inodes i where i.id = old.id and i.parent = old.parent and i.name = old.name limit 1 for update
        ) i
      )
      update pangu.inodes i set parent = null, deleted_at = now() from locked where i.ctid = locked.place returning i.id`,
  );
  if (gone.length !== old.length) throw new TransactionConflict('what makes way moved');
}

function appear(tx: Queryable, placed: readonly Placed[]): Promise<Inode[]> {
  const wanted = placed.map(({ id, chunk, length, parent, name }) => ({ file: id, chunk, length, parent, name }));
  return rows<Inode>(
    tx,
    sql`
      with wanted as materialized (
        select * from jsonb_to_recordset(${JSON.stringify(wanted)}::jsonb) as wanted (file text, chunk text, length bigint, parent text, name text)
        where ${sql.raw(takenForOne('file'))} order by parent, name collate "C"
      ), chunk as (
        update pangu.chunks c set "offset" = 0, length = wanted.length, state = 'sealed' from wanted
        where c.id = wanted.chunk and c.file = wanted.file and c.state = 'open' and c.length <= wanted.length
          and not exists (select 1 from pangu.chunks other where other.file = wanted.file and other.id <> c.id)
        returning wanted.file, wanted.length, wanted.parent, wanted.name
      ), file as materialized (
        select chunk.*, i.place from chunk cross join lateral (select i.ctid as place from pangu.inodes i where i.id = chunk.file limit 1) i
      )
      update pangu.inodes i
      set state = 'closed', writer = null, recovery_until = null, size = file.length, modified_at = now(), parent = file.parent, name = file.name, target = null
      from file where i.ctid = file.place
      returning ${INODE_COLUMNS}`,
  );
}
