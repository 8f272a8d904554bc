import { sql } from 'drizzle-orm';
import { rows } from '../../../base/database.ts';
import { RANDOM_INDEXES_MAX } from '../../random-contract.ts';
import type { MasterContext } from '../context.ts';

/** More replicas than there are servers to hold them nobody can make. The first so many: whoever mends them asks again. */
export async function randomShort({ db, chunkServers }: MasterContext, { file }: { file: string }): Promise<{ indexes: number[] }> {
  const possible = chunkServers.list().filter(({ draining }) => !draining).length;
  const short = await rows<{ index: number }>(
    db,
    sql`
      select c.index from pangu.chunks c join pangu.inodes i on i.id = c.file
      where c.file = ${file} and c.length > 0 and (select count(*) from pangu.replicas r where r.chunk = c.id) < least(i.replicas, ${possible}::int)
      order by c.index limit ${RANDOM_INDEXES_MAX}`,
  );
  return { indexes: short.map(({ index }) => index) };
}
