import { sql } from 'drizzle-orm';
import { rows } from '../../../base/database.ts';
import type { MasterContext } from '../context.ts';

/** Chunks without bytes are left out: they may have been given out and not begun. */
export async function heldChunks(
  { db }: MasterContext,
  { node, after = '', limit }: { node: string; after?: string; limit: number },
): Promise<{ chunks: string[]; more: boolean }> {
  const found = await rows<{ chunk: string }>(
    db,
    sql`
      select r.chunk from pangu.replicas r join pangu.chunks c on c.id = r.chunk
      where r.node = ${node} and r.chunk > ${after} and c.length > 0 order by r.chunk limit ${limit + 1}`,
  );
  return { chunks: found.slice(0, limit).map(({ chunk }) => chunk), more: found.length > limit };
}
