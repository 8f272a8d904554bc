import { sql } from 'drizzle-orm';
import { inTransaction, rows } from '../../../base/database.ts';
import { discardReplicas } from '../chunks.ts';
import type { MasterContext } from '../context.ts';
import { reportBadReplica } from './report-bad-replica.ts';

interface Report {
  node: string;
  lost: string[];
  bad: string[];
}

/**
 * A server that says it has lost a chunk is believed. Its replica stops counting if another one is on a server that is there; else it stays, so that the
 * chunk is known to be unreadable and not forgotten. What it calls bad is read back first, as with anybody else's word.
 */
export async function reportReplicas(context: MasterContext, { node, lost, bad }: Report): Promise<Record<string, never>> {
  if (lost.length > 0) await dropLost(context, node, lost);
  for (const chunk of bad) await reportBadReplica(context, { chunk, node, reason: `${node} found it bad` });
  return {};
}

async function dropLost({ db, chunkServers, log }: MasterContext, node: string, lost: string[]): Promise<void> {
  const ids = sql`(select jsonb_array_elements_text(${JSON.stringify(lost)}::jsonb))`;
  const { dropped, last } = await inTransaction(db, async (tx) => {
    // In one order, so that two reports do not wait for each other; locked, so that each sees what the other left.
    await tx.execute(sql`select id from pangu.chunks where id in ${ids} order by id for update`);
    const held = await rows<{ chunk: string; others: string[] }>(
      tx,
      sql`
        select r.chunk, (select coalesce(json_agg(o.node), '[]') from pangu.replicas o where o.chunk = r.chunk and o.node <> ${node}) as others
        from pangu.replicas r where r.node = ${node} and r.chunk in ${ids}`,
    );
    const isSafe = ({ others }: { others: string[] }): boolean => others.some((other) => chunkServers.get(other) !== undefined);
    const safe = held.filter(isSafe);
    await discardReplicas(
      tx,
      safe.map(({ chunk }) => ({ chunk, node })),
    );
    return { dropped: safe.length, last: held.filter((each) => !isSafe(each)).map(({ chunk }) => chunk) };
  });
  log.warn({ node, dropped, last: last.length }, 'replicas.lost');
  if (last.length > 0) log.error({ node, chunks: last.slice(0, 20) }, 'replicas.lost.no-other');
}
