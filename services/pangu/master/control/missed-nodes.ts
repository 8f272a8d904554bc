import { type SQL, sql } from 'drizzle-orm';
import { inTransaction, type Queryable, rows } from '../../../base/database.ts';
import { noteInLedger } from '../ledger.ts';
import type { ControlContext } from './context.ts';
import { assertControl } from './fence.ts';

/**
 * A server that holds replicas and is not registered is missed; the time since when is written down, so that it does not begin anew with another master.
 * Missed for `deadAfterMs` it is dead: what it holds counts no more, and is made again elsewhere. Its rows stay, since its disk may be all that is left of
 * a chunk; when it is back before, nothing was copied, and when it is back after, what is too many goes (trim.ts).
 */
export async function watchNodes(control: ControlContext): Promise<{ changed: boolean }> {
  const { db, chunkServers, log, holder } = control;
  const { deadAfterMs } = await control.healing();
  const up = JSON.stringify(chunkServers.list().map(({ id }) => id));
  const isUp = (column: SQL): SQL => sql`${column} in (select jsonb_array_elements_text(${up}::jsonb))`;
  const late = sql`dead_at is null and gone_at <= now() - make_interval(secs => ${deadAfterMs / 1000})`;

  const [look] = await rows<{ work: boolean }>(
    db,
    sql`
      with recursive ${HOLDERS}
      select exists (select from holder where node is not null and not ${isUp(sql`node`)} and node not in (select id from pangu.nodes))
        or exists (select from pangu.nodes where ${isUp(sql`id`)} or ${late} or id not in (select node from holder where node is not null)) as work`,
  );
  if (!look!.work) return { changed: false };
  const { dead, back } = await inTransaction(db, async (tx) => {
    await assertControl(tx, holder);
    await tx.execute(sql`
      with recursive ${HOLDERS}
      insert into pangu.nodes (id, gone_at) select node, now() from holder where node is not null and not ${isUp(sql`node`)} on conflict do nothing`);
    await tx.execute(
      sql`with recursive ${HOLDERS} delete from pangu.nodes where id not in (select node from holder where node is not null)`,
    );
    const back = await rows<{ id: string; dead: boolean }>(
      tx,
      sql`delete from pangu.nodes where ${isUp(sql`id`)} returning id, dead_at is not null as dead`,
    );
    const dead = await rows<{ id: string }>(tx, sql`update pangu.nodes set dead_at = now() where ${late} returning id`);
    const revived = back.filter((node) => node.dead).map(({ id }) => id);
    const died = dead.map(({ id }) => id);
    await noteNodes(tx, 'nodeDead', died, `missed for ${deadAfterMs / 1000} s`);
    await noteNodes(tx, 'nodeBack', revived, '');
    await noteAvailability(tx, 'chunkUnavailable', died);
    await noteAvailability(tx, 'chunkAvailable', revived);
    return { dead: died, back: revived };
  });
  for (const node of dead) log.warn({ node, deadAfterMs }, 'node.dead');
  for (const node of back) log.info({ node }, 'node.back');
  return { changed: dead.length > 0 || back.length > 0 };
}

/** The nodes that hold replicas, found by hopping from one to the next in the index: their number counts, not that of the replicas. */
const HOLDERS = sql`
  holder (node) as (
    (select node from pangu.replicas order by node limit 1)
    union all
    select (select r.node from pangu.replicas r where r.node > holder.node order by r.node limit 1) from holder where holder.node is not null
  )`;

async function noteNodes(tx: Queryable, kind: 'nodeDead' | 'nodeBack', nodes: readonly string[], cause: string): Promise<void> {
  if (nodes.length === 0) return;
  const held = await rows<{ node: string; bytes: number }>(
    tx,
    sql`
      select r.node, coalesce(sum(c.length), 0)::bigint as bytes from pangu.replicas r join pangu.chunks c on c.id = r.chunk
      where r.node in (select jsonb_array_elements_text(${JSON.stringify(nodes)}::jsonb)) group by r.node`,
  );
  await noteInLedger(
    tx,
    held.map(({ node, bytes }) => ({ kind, node, bytes, cause })),
  );
}

/** Chunks of which these nodes hold a replica and no node that is not dead another one. */
async function noteAvailability(tx: Queryable, kind: 'chunkUnavailable' | 'chunkAvailable', nodes: readonly string[]): Promise<void> {
  if (nodes.length === 0) return;
  const ids = sql`(select jsonb_array_elements_text(${JSON.stringify(nodes)}::jsonb))`;
  await tx.execute(sql`
    insert into pangu.ledger (kind, chunk, node, bytes)
    select distinct on (c.id) ${kind}, c.id, held.node, c.length
    from pangu.replicas held join pangu.chunks c on c.id = held.chunk
    where held.node in ${ids} and c.length > 0 and not exists (
      select from pangu.replicas other
      where other.chunk = held.chunk and other.node not in ${ids} and other.node not in (select id from pangu.nodes where dead_at is not null)
    )
    order by c.id, held.node`);
}
