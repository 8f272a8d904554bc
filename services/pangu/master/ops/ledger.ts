import { type SQL, sql } from 'drizzle-orm';
import { rows } from '../../../base/database.ts';
import type { LedgerKind } from '../../core/ledger.ts';
import type { LedgerEntry } from '../../healing-contract.ts';
import type { MasterContext } from '../context.ts';

interface Request {
  sinceMs?: number;
  kinds?: LedgerKind[];
  node?: string;
  chunk?: string;
  before?: number;
  limit: number;
}

export async function ledger({ db }: MasterContext, request: Request): Promise<{ entries: LedgerEntry[]; more: boolean }> {
  const { sinceMs, kinds, node, chunk, before, limit } = request;
  const where: SQL[] = [sql`true`];
  if (sinceMs !== undefined) where.push(sql`at >= to_timestamp(${sinceMs / 1000}::float8)`);
  if (kinds) where.push(sql`kind in (select jsonb_array_elements_text(${JSON.stringify(kinds)}::jsonb))`);
  if (node !== undefined) where.push(sql`node = ${node}`);
  if (chunk !== undefined) where.push(sql`chunk = ${chunk}`);
  if (before !== undefined) where.push(sql`id < ${before}`);
  const found = await rows<LedgerEntry>(
    db,
    sql`
      select id, (extract(epoch from at) * 1000)::float8 as "atMs", kind, chunk, node, bytes, cause
      from pangu.ledger where ${sql.join(where, sql` and `)} order by id desc limit ${limit + 1}`,
  );
  return { entries: found.slice(0, limit).map(withoutNulls), more: found.length > limit };
}

function withoutNulls({ chunk, node, ...entry }: LedgerEntry): LedgerEntry {
  return { ...entry, ...(chunk ? { chunk } : {}), ...(node ? { node } : {}) };
}
