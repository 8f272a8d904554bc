import { sql } from 'drizzle-orm';
import { rows } from '../../../base/database.ts';
import { RANDOM_INDEXES_MAX } from '../../random-contract.ts';
import type { MasterContext } from '../context.ts';

/** Replicas on servers that are about to leave do not count. More than there are servers to hold them nobody can make. The first so many: whoever mends them asks again. */
export async function randomShort({ db, chunkServers }: MasterContext, { file }: { file: string }): Promise<{ indexes: number[] }> {
  const servers = chunkServers.list();
  const possible = servers.filter(({ draining }) => !draining).length;
  const leaving = JSON.stringify(servers.filter(({ draining }) => draining).map(({ id }) => id));
  const short = await rows<{ index: number }>(
    db,
    sql`
      select c.index from pangu.chunks c join pangu.inodes i on i.id = c.file
      where c.file = ${file} and c.length > 0 and (
        select count(*) from pangu.replicas r where r.chunk = c.id and r.node not in (select jsonb_array_elements_text(${leaving}::jsonb))
      ) < least(i.replicas, ${possible}::int)
      order by c.index limit ${RANDOM_INDEXES_MAX}`,
  );
  return { indexes: short.map(({ index }) => index) };
}
