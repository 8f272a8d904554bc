import { sql } from 'drizzle-orm';
import { rows } from '../../../base/database.ts';
import { SETTLED } from '../chunks.ts';
import type { MasterContext } from '../context.ts';
import { DEAD } from '../dead-nodes.ts';

/** More replicas than there are servers to hold them nobody can make. */
export async function underReplicated(
  { db, chunkServers }: MasterContext,
  { after = '', limit }: { after?: string; limit: number },
): Promise<{ chunks: string[]; more: boolean }> {
  const possible = chunkServers.list().filter(({ draining }) => !draining).length;
  const found = await rows<{ chunk: string }>(
    db,
    sql`
      select c.id as chunk from pangu.chunks c join pangu.inodes i on i.id = c.file
      where ${SETTLED} and i.deleted_at is null and c.id > ${after}
        and (select count(*) from pangu.replicas r where r.chunk = c.id and r.node not in ${DEAD}) < least(i.replicas, ${possible}::int)
      order by c.id limit ${limit + 1}`,
  );
  return { chunks: found.slice(0, limit).map(({ chunk }) => chunk), more: found.length > limit };
}
