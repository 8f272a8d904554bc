import { type SQL, sql } from 'drizzle-orm';
import { type Database, type Queryable, retryConflicts, rows, TransactionConflict } from '../../base/database.ts';
import { CHUNK_BYTES_DEFAULT, PanguError } from '../contract.ts';
import { type ParsedPath, parsePath } from '../core/path.ts';
import type { FileKind, FileState, InodeType } from '../core/states.ts';

export interface Inode {
  id: string;
  parent: string | null;
  name: string;
  type: InodeType;
  kind: FileKind;
  state: FileState;
  size: number;
  chunkBytes: number;
  replicas: number;
  minReplicas: number;
  epoch: number;
  writer: string | null;
  owner: string;
  createdAtMs: number;
  modifiedAtMs: number;
  target: string | null;
  deleted: boolean;
}

/** The columns of an `Inode`, of a table or alias `i`. */
export const INODE_COLUMNS = sql.raw(`
  i.id, i.parent, i.name, i.type, i.kind, i.state, i.size, i.chunk_bytes as "chunkBytes", i.replicas, i.min_replicas as "minReplicas", i.epoch, i.writer, i.owner, i.target, i.deleted_at is not null as "deleted",
  (extract(epoch from i.created_at) * 1000)::float8 as "createdAtMs", (extract(epoch from i.modified_at) * 1000)::float8 as "modifiedAtMs"`);

/**
 * A condition that is true of every row and that the planner takes for a rare one: it believes in a single row and looks up by key what is joined to it. Without it a plan that
 * was made when a table was small goes through the whole table for ever.
 */
export function takenForOne(textColumn: string): string {
  return `${textColumn} = ${textColumn} || ''`;
}

export function statOf(inode: Inode) {
  const { type, kind, size, state, chunkBytes, replicas, owner } = inode;
  return {
    type,
    kind,
    size,
    state,
    chunkBytes,
    replicas,
    owner,
    createdAtMs: Math.round(inode.createdAtMs),
    modifiedAtMs: Math.round(inode.modifiedAtMs),
  };
}

/**
 * Follows all paths at once, in one statement: for each, the inodes from the root to where it ends or breaks off.
 * The lateral `limit 1`s keep the planner to one look-up by key for each name, whatever it believes of the table's size.
 */
export async function walk(db: Queryable, paths: readonly (readonly string[])[]): Promise<Inode[][]> {
  const found = await rows<Inode & { path: number; depth: number }>(
    db,
    sql`
      with recursive ${walkOf(paths)}
      select walk.path, walk.depth, ${INODE_COLUMNS}
      from walk cross join lateral (select * from pangu.inodes where inodes.id = walk.id limit 1) i
      order by walk.path, walk.depth`,
  );
  const inodes: Inode[][] = paths.map(() => []);
  for (const { path, depth: _, ...inode } of found) inodes[path]!.push(inode);
  return inodes;
}

function walkOf(paths: readonly (readonly string[])[]): SQL {
  return sql`walk (path, names, depth, id) as (
    select (ordinality - 1)::int, names, 0, 'root' from jsonb_array_elements(${JSON.stringify(paths)}::jsonb) with ordinality as paths (names)
    union all
    select walk.path, walk.names, walk.depth + 1, child.id
    from walk cross join lateral (
      select inodes.id from pangu.inodes where inodes.parent = walk.id and inodes.name = walk.names ->> walk.depth limit 1
    ) child
  )`;
}

/** Where a path ends or breaks off. */
export interface Found<I> {
  inode: I;
  /** How many names were followed. */
  depth: number;
}

/** Follows all paths at once as `walk` does, and tells of each where it ends or breaks off alone; with more columns of that inode `i`, which begin with a comma. */
export async function walkToEnds<More extends object>(
  db: Queryable,
  paths: readonly (readonly string[])[],
  columns: SQL,
): Promise<Found<Inode & More>[]> {
  const found = await rows<Inode & More & { path: number; depth: number }>(
    db,
    sql`
      with recursive ${walkOf(paths)}, ends as (select distinct on (path) path, depth, id from walk order by path, depth desc)
      select ends.path, ends.depth, ${INODE_COLUMNS} ${columns}
      from ends cross join lateral (select * from pangu.inodes where inodes.id = ends.id limit 1) i`,
  );
  const ends: Found<Inode & More>[] = [];
  for (const { path, depth, ...inode } of found) ends[path] = { depth, inode: inode as unknown as Inode & More };
  return ends;
}

/** What a path leads to, as far as that was found out. Errors: ENOENT, ENOTDIR. */
export function atEnd<I extends Inode>({ inode, depth }: Found<I>, parsed: ParsedPath, path: string): I {
  const complete = depth === parsed.names.length;
  if (inode.type === 'file' && (!complete || parsed.directory)) throw new PanguError('ENOTDIR', `${path} goes through a file`);
  if (!complete) throw new PanguError('ENOENT', `${path} does not exist`);
  return inode;
}

/** What a path leads to. Errors: ENOENT, ENOTDIR, EINVAL, ENAMETOOLONG. */
export async function find(db: Queryable, path: string): Promise<Inode> {
  const parsed = parsePath(path);
  const [inodes] = await walk(db, [parsed.names]);
  const inode = endOf(inodes!, parsed, path);
  if (!inode) throw new PanguError('ENOENT', `${path} does not exist`);
  return inode;
}

/** The inode at the end of a path that was walked; undefined when it is not there. Throws ENOTDIR when the path goes through a file. */
export function endOf<I extends Inode>(inodes: readonly I[], parsed: ParsedPath, path: string): I | undefined {
  const last = inodes.at(-1)!;
  const complete = inodes.length === parsed.names.length + 1;
  if (last.type === 'file' && (!complete || parsed.directory)) throw new PanguError('ENOTDIR', `${path} goes through a file`);
  return complete ? last : undefined;
}

/** The directory that holds the last name of a path. Errors: ENOENT, ENOTDIR; EINVAL for the root, which no directory holds. */
export function parentOf(inodes: readonly Inode[], parsed: ParsedPath, path: string): Inode {
  if (parsed.names.length === 0) throw new PanguError('EINVAL', 'the root directory cannot be made, moved, replaced or removed');
  const parent = inodes[parsed.names.length - 1];
  if (parent?.type === 'directory') return parent;
  if (inodes.at(-1)!.type === 'file') throw new PanguError('ENOTDIR', `${path} goes through a file`);
  throw new PanguError('ENOENT', `the directory of ${path} does not exist`);
}

/** Changes what a path leads to in one statement, which returns a row where the inode is still there. The same errors as `find`. */
export function change(db: Database, path: string, statement: (inode: Inode) => SQL): Promise<void> {
  return retryConflicts(async () => {
    const changed = await rows(db, statement(await find(db, path)));
    if (changed.length === 0) throw new TransactionConflict(`${path} was removed`);
  });
}

/** As the nearest directory says that says something. */
export function chunkBytesBelow(above: readonly Inode[]): number {
  return above.findLast(({ type, chunkBytes }) => type === 'directory' && chunkBytes > 0)?.chunkBytes ?? CHUNK_BYTES_DEFAULT;
}
