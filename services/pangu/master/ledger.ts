import { sql } from 'drizzle-orm';
import type { Queryable } from '../../base/database.ts';
import type { LedgerKind, LedgerNote } from '../core/ledger.ts';

const CAUSE_LENGTH_MAX = 500;

/** To be called with the transaction of what it tells. */
export async function noteInLedger(tx: Queryable, notes: readonly LedgerNote[]): Promise<void> {
  if (notes.length === 0) return;
  const written = notes.map(({ cause, ...note }) => ({ ...note, cause: cause?.slice(0, CAUSE_LENGTH_MAX) }));
  await tx.execute(sql`
    insert into pangu.ledger (kind, chunk, node, bytes, cause)
    select kind, chunk, node, coalesce(bytes, 0), coalesce(cause, '')
    from jsonb_to_recordset(${JSON.stringify(written)}::jsonb) as note (kind text, chunk text, node text, bytes bigint, cause text)`);
}

/** The same for replicas, with the length of their chunks. */
export async function noteReplicas(
  tx: Queryable,
  kind: LedgerKind,
  replicas: readonly { chunk: string; node: string }[],
  cause: string,
): Promise<void> {
  if (replicas.length === 0) return;
  await tx.execute(sql`
    insert into pangu.ledger (kind, chunk, node, bytes, cause)
    select ${kind}, l.chunk, l.node, c.length, ${cause.slice(0, CAUSE_LENGTH_MAX)}
    from jsonb_to_recordset(${JSON.stringify(replicas)}::jsonb) as l (chunk text, node text) join pangu.chunks c on c.id = l.chunk`);
}
