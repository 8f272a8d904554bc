import { type SQL, sql } from 'drizzle-orm';
import type { Database } from '../../base/database.ts';

/**
 * Chunks that nobody can read: each of their replicas was found damaged where it lies. Their rows stay, since a disk may be mended or bytes be had from one of them
 * all the same; that it is so is known by the last word of the ledger.
 */
export function isDamaged(chunk: SQL): SQL {
  return sql`coalesce((
    select l.kind = 'chunkDamaged' from pangu.ledger l
    where l.chunk = ${chunk} and l.kind in ('chunkDamaged', 'chunkAvailable') order by l.id desc limit 1
  ), false)`;
}

/** Noted once, however often it is found. */
export async function noteDamaged(db: Database, chunk: string, length: number): Promise<void> {
  await db.execute(sql`
    insert into pangu.ledger (kind, chunk, bytes, cause)
    select 'chunkDamaged', ${chunk}, ${length}, 'none of its replicas has the bytes that were written' where not ${isDamaged(sql`${chunk}`)}`);
}

export async function noteWhole(db: Database, chunk: string): Promise<void> {
  await db.execute(sql`
    insert into pangu.ledger (kind, chunk, cause)
    select 'chunkAvailable', ${chunk}, 'a replica of it was found whole' where ${isDamaged(sql`${chunk}`)}`);
}
