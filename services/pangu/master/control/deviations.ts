import { sql } from 'drizzle-orm';
import { rows } from '../../../base/database.ts';
import type { Lacking } from '../../core/pick-copy.ts';
import { SETTLED } from '../chunks.ts';
import type { MasterContext } from '../context.ts';

/**
 * Chunks that do not have what their files want. Lacking: fewer replicas on servers that are not dead than are wanted and servers could hold, and at least one
 * to copy from; in order of danger. Over: more than wanted on servers that are there and stay. One read of the tables finds both.
 */
export interface Deviations {
  lacking: (Lacking & { up: number })[];
  /** All that lacks, not only what is in the list. */
  lackingChunks: number;
  lackingBytes: number;
  over: string[];
}

export async function findDeviations({ db, chunkServers }: MasterContext, limit: number): Promise<Deviations> {
  const servers = chunkServers.list().map(({ id, draining = false }) => ({ node: id, draining }));
  const possible = servers.filter(({ draining }) => !draining).length;
  const [found] = await rows<Deviations>(
    db,
    sql`
      with server as (select * from jsonb_to_recordset(${JSON.stringify(servers)}::jsonb) as s (node text, draining boolean)),
      -- One that is back counts from now on, also before the tables know.
      dead as (select id from pangu.nodes where dead_at is not null and id not in (select node from server)),
      look as (
        select c.id, c.length, i.replicas as wanted, i.created_at,
          count(*) filter (where r.node is not null and dead.id is null)::int as counted,
          count(server.node)::int as up,
          count(*) filter (where server.node is not null and not server.draining)::int as staying
        from pangu.chunks c
        join pangu.inodes i on i.id = c.file and i.deleted_at is null
        left join pangu.replicas r on r.chunk = c.id
        left join server on server.node = r.node
        left join dead on dead.id = r.node
        where ${SETTLED}
        group by c.id, i.replicas, i.created_at
      ),
      lacking as (
        select look.*, least(wanted, ${possible}::int) - counted as missing from look
        where counted < least(wanted, ${possible}::int) and up > 0 and length > 0
      ),
      first as (select * from lacking order by up, created_at, id limit ${limit})
      select
        (select coalesce(json_agg(json_build_object('chunk', id, 'length', length, 'up', up, 'nodes',
          (select json_agg(r.node) from pangu.replicas r where r.chunk = first.id)) order by up, created_at, id), '[]') from first) as lacking,
        (select count(*)::int from lacking) as "lackingChunks",
        (select coalesce(sum(length * missing), 0)::bigint from lacking) as "lackingBytes",
        (select coalesce(json_agg(id), '[]') from (select id from look where up > wanted and staying >= wanted order by id limit ${limit}) surplus) as over`,
  );
  return found!;
}
