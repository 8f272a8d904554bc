import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type postgres from 'postgres';
import type { PanguCluster } from '../../../helpers/pangu-cluster.ts';

/** The invariants of services/pangu/tables.ts, asked of rows and disks when nobody is at work. Numbers are theirs. @returns what breaks them. */
export async function findBroken(sql: postgres.Sql, cluster: PanguCluster): Promise<string[]> {
  const broken: string[] = [];
  const none = async (what: string, found: Promise<readonly { id: string }[]>): Promise<void> => {
    for (const { id } of await found) broken.push(`${what}: ${id}`);
  };
  await none(
    '1. has no parent, and is neither the root, hidden, nor removed',
    sql`select id from pangu.inodes where parent is null and target is null and deleted_at is null and name <> ''`,
  );
  await none(
    '5. a closed file whose chunks are not sealed, or do not tile it',
    sql`
      select id from (
        select i.id, i.size, coalesce(sum(c.length), 0) as bytes, coalesce(bool_and(c.state = 'sealed'), true) as sealed,
          coalesce(bool_and(c."offset" = (select coalesce(sum(b.length), 0) from pangu.chunks b where b.file = i.id and b."offset" < c."offset")), true) as tiled
        from pangu.inodes i left join pangu.chunks c on c.file = i.id and c.length > 0
        where i.type = 'file' and i.kind = 'append' and i.state = 'closed' and i.deleted_at is null group by i.id
      ) file where bytes <> size or not sealed or not tiled`,
  );
  await none(
    '6. a chunk of a closed file without a replica',
    sql`
      select c.id from pangu.chunks c join pangu.inodes i on i.id = c.file
      where i.state = 'closed' and i.deleted_at is null and c.length > 0 and not exists (select 1 from pangu.replicas r where r.chunk = c.id)`,
  );
  await none(
    'closed, and somebody writes it',
    sql`select id from pangu.inodes where type = 'file' and state = 'closed' and writer is not null`,
  );
  const named = new Set(
    (
      await sql<{ at: string }[]>`
        select node || ' ' || chunk as at from pangu.replicas union select node || ' ' || chunk from pangu.copies union select node || ' ' || chunk from pangu.garbage`
    ).map(({ at }) => at),
  );
  for (const node of cluster.nodes) {
    const directory = cluster.chunkDirectory(node);
    const files = await Promise.all(
      [join(directory, 'chunks'), join(directory, 'random', 'chunks')].map((each) => readdir(each).catch(() => [])),
    );
    for (const path of files.flat())
      if (!named.has(`${node} ${basename(path)}`)) broken.push(`7. a file that no row names: ${node} ${path}`);
  }
  return broken;
}
