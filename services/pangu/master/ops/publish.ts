import { sql } from 'drizzle-orm';
import { type Queryable, rows, TransactionConflict } from '../../../base/database.ts';
import { faultPoint } from '../../../base/fault-points.ts';
import { PanguError } from '../../contract.ts';
import { checkName, formatPath, isWithin, type ParsedPath, parsePath } from '../../core/path.ts';
import type { MasterContext } from '../context.ts';
import { endOf, type Inode, parentOf, walk } from '../inodes.ts';
import { once } from '../once.ts';
import { lockMove, lockTree } from '../quotas.ts';
import { detach, insertDirectory, makeDirectories } from '../tree.ts';

/** Who publishes may be a workflow that was paused: remembered for a month. */
const PUBLISH_KEEP_MS = 30 * 24 * 3600_000;

interface Publication {
  directory: string;
  files: { from: string; name: string }[];
  overwrite: boolean;
}

/**
 * New directories with files moved into them, all in one transaction: nobody sees one without the others, or one half filled.
 * What stands in the way is removed in the same transaction when that is asked for. Parents are made.
 */
export async function publish(
  { db }: MasterContext,
  { publishId, publications }: { publishId: string; publications: Publication[] },
  owner = '',
) {
  const directories = publications.map(({ directory }) => parsePath(directory));
  const files = publications.flatMap(({ files }, into) => files.map(({ from, name }) => ({ into, from, name, parsed: parsePath(from) })));
  checkPublications(publications, directories);

  await once(db, `publish:${publishId}`, PUBLISH_KEEP_MS, async (tx) => {
    // What is replaced is mostly a directory, and so removed with what is in it.
    if (publications.some(({ overwrite }) => overwrite)) await lockTree(tx);
    for (const { names } of directories) await makeDirectories(tx, names.slice(0, -1), owner);
    const found = await walk(
      tx,
      [...directories, ...files.map(({ parsed }) => parsed)].map(({ names }) => names),
    );

    const sources = files.map(({ from, parsed }, i) => checkSource(endOf(found[directories.length + i]!, parsed, from), from));
    if (new Set(sources.map(({ id }) => id)).size < sources.length) throw new PanguError('EINVAL', 'a file is published twice');

    const made: string[] = [];
    for (const [i, parsed] of directories.entries()) {
      const { directory, overwrite } = publications[i]!;
      const standing = endOf(found[i]!, { ...parsed, directory: false }, directory);
      if (standing && !overwrite) throw new PanguError('EEXIST', `${directory} exists`, { details: { path: formatPath(parsed.names) } });
      if (standing && sources.some(({ id }) => id === standing.id))
        throw new PanguError('EINVAL', `${directory} is a file that is to be published`);
      if (standing?.type === 'directory') await lockMove(tx, standing.parent, null);
      if (standing) await detach(tx, standing);
      made.push(await insertDirectory(tx, parentOf(found[i]!, parsed, directory).id, parsed.names.at(-1)!, owner));
    }
    faultPoint('publish.made');
    await moveAll(
      tx,
      sources.map((source, i) => ({ source, parent: made[files[i]!.into]!, name: files[i]!.name })),
    );
  });
  return {};
}

function checkPublications(publications: readonly Publication[], directories: readonly ParsedPath[]): void {
  for (const { directory, files } of publications) {
    for (const { name } of files) checkName(name, directory);
    if (new Set(files.map(({ name }) => name)).size < files.length) throw new PanguError('EINVAL', `${directory} would hold a name twice`);
  }
  for (const [i, inner] of directories.entries()) {
    if (inner.names.length === 0) throw new PanguError('EINVAL', 'the root directory cannot be published');
    const outer = directories.findIndex((other, j) => i !== j && isWithin(inner.names, other.names));
    if (outer >= 0) throw new PanguError('EINVAL', `${publications[i]!.directory} is inside ${publications[outer]!.directory}`);
  }
}

function checkSource(source: Inode | undefined, from: string): Inode {
  if (!source) throw new PanguError('ENOENT', `${from} does not exist`);
  if (source.type === 'directory') throw new PanguError('EISDIR', `${from} is a directory`);
  if (source.state === 'open') throw new PanguError('EINVAL', `${from} is still being written`);
  return source;
}

async function moveAll(tx: Queryable, moves: readonly { source: Inode; parent: string; name: string }[]): Promise<void> {
  if (moves.length === 0) return;
  const list = moves.map(({ source, parent, name }) => ({
    id: source.id,
    from_parent: source.parent,
    from_name: source.name,
    parent,
    name,
  }));
  const moved = await rows(
    tx,
    sql`
      update pangu.inodes i set parent = m.parent, name = m.name
      from jsonb_to_recordset(${JSON.stringify(list)}::jsonb) as m (id text, from_parent text, from_name text, parent text, name text)
      where i.id = m.id and i.parent = m.from_parent and i.name = m.from_name returning i.id`,
  );
  if (moved.length !== moves.length) throw new TransactionConflict('a source moved');
}
