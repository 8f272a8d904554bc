import { sql } from 'drizzle-orm';
import { rows } from '../../../base/database.ts';
import type { Usage } from '../../namespace-contract.ts';
import type { MasterContext } from '../context.ts';
import { find } from '../inodes.ts';

/**
 * What lies at and below a path, in one statement and so at one moment. Stored bytes are those of all replicas as far as masters were told. It reads a
 * row for each inode, chunk and replica; whoever asks often for one directory gives it a quota, whose usage is kept.
 */
export async function usage({ db }: MasterContext, { path }: { path: string }): Promise<Usage> {
  const { id } = await find(db, path);
  const [used] = await rows<Usage>(
    db,
    sql`
      with recursive below (id, type, size) as (
        select id, type, size from pangu.inodes where id = ${id}
        union all
        select child.id, child.type, child.size
        from below cross join lateral (select i.id, i.type, i.size from pangu.inodes i where i.parent = below.id offset 0) child
        where below.type = 'directory'
      )
      select
        count(*) filter (where type = 'file') as files,
        count(*) filter (where type = 'directory') as directories,
        coalesce(sum(size), 0)::bigint as "logicalBytes",
        coalesce(sum(stored.bytes), 0)::bigint as "storedBytes"
      from below left join lateral (
        select sum(c.length * (select count(*) from pangu.replicas r where r.chunk = c.id)) as bytes from pangu.chunks c where c.file = below.id offset 0
      ) stored on below.type = 'file'`,
  );
  return used!;
}
