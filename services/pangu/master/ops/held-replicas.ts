import { sql } from 'drizzle-orm';
import { rows } from '../../../base/database.ts';
import type { HeldReplica } from '../../master-contract.ts';
import { NODES, SETTLED } from '../chunks.ts';
import type { MasterContext } from '../context.ts';

export async function heldReplicas(
  { db }: MasterContext,
  { node, after = '', limit }: { node: string; after?: string; limit: number },
): Promise<{ replicas: HeldReplica[]; more: boolean }> {
  const found = await rows<HeldReplica>(
    db,
    sql`
      select c.id as chunk, c.length, case when ${SETTLED} then 'sealed' else c.state end as state, i.deleted_at is not null as removed, ${NODES} as nodes
      from pangu.replicas held join pangu.chunks c on c.id = held.chunk join pangu.inodes i on i.id = c.file
      where held.node = ${node} and held.chunk > ${after} order by held.chunk limit ${limit + 1}`,
  );
  return { replicas: found.slice(0, limit), more: found.length > limit };
}
