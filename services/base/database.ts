import { setTimeout as delay } from 'node:timers/promises';
import type { SQL } from 'drizzle-orm';
import type { PgDatabase } from 'drizzle-orm/pg-core';
import { drizzle, type PostgresJsQueryResultHKT } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { backoffMs } from './backoff.ts';
import { FeitianError } from './errors.ts';
import { type Random, systemRandom } from './random.ts';

/**
 * Postgres for the services that keep tables. The pool connects by itself and again after Postgres was away: meanwhile calls fail
 * with errors that `isDatabaseAway` tells from the others, and the next call tries anew.
 */
export type Queryable = Pick<PgDatabase<PostgresJsQueryResultHKT>, 'execute' | 'select' | 'insert' | 'update' | 'delete'>;
export type Database = PgDatabase<PostgresJsQueryResultHKT>;

export interface OpenDatabase {
  readonly db: Database;
  /** Waits for queries under way, up to five seconds. */
  close(): Promise<void>;
}

/** More connections than cores help Postgres to commit in groups; each costs it about 5 MB. */
const CONNECTIONS_MAX = 16;

/** `settings`: of Postgres, for these connections alone. */
export function openDatabase(url: string, options: { connectionsMax?: number; settings?: Record<string, string> } = {}): OpenDatabase {
  const client = postgres(url, {
    max: options.connectionsMax ?? CONNECTIONS_MAX,
    ...(options.settings ? { connection: options.settings } : {}),
    connect_timeout: 5,
    // Postgres' own restart takes about a second; the driver's default grows to 20 s.
    backoff: () => 0.2 + Math.random() * 0.3,
    // bigint columns hold sizes and counters below 2^53.
    types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
    onnotice: () => {},
  });
  return { db: drizzle({ client: preparing(client) }), close: () => client.end({ timeout: 5 }) };
}

/**
 * Drizzle sends every statement as new. Naming them lets Postgres parse and plan each one once a connection. Texts must not hold
 * values (drizzle's templates never do) or the names would have no end.
 */
function preparing<T extends postgres.Sql>(client: T): T {
  const unsafe = client.unsafe.bind(client);
  const patched: Record<string, unknown> = {
    unsafe: (text: string, parameters?: [], options?: object) =>
      unsafe(text, parameters, { ...options, prepare: (parameters?.length ?? 0) > 0 }),
  };
  if ('begin' in client) {
    const begin = client.begin.bind(client) as (work: (tx: postgres.TransactionSql) => Promise<unknown>) => Promise<unknown>;
    patched.begin = (work: (tx: postgres.TransactionSql) => Promise<unknown>) => begin((tx) => work(preparing(tx as never)));
  }
  return Object.assign(client, patched);
}

/** Runs one statement and gives its rows, whose shape the caller vouches for. */
export async function rows<Row extends object>(db: Queryable, statement: SQL): Promise<Row[]> {
  return (await db.execute(statement)) as unknown as Row[];
}

/** Thrown inside a transaction that saw something change under it: it is run again from its beginning. */
export class TransactionConflict extends Error {
  override readonly name = 'TransactionConflict';
}

const CONFLICT_STATES = ['40001', '40P01', '23505', '23503'];
/** Each try lost to another transaction that committed, so the cluster as a whole moves on; this many losses in a row mean something else. */
const TRIES_MAX = 12;

/**
 * Runs `work` again when it lost against another transaction: serialization failure, deadlock, or a key that another one made (23505) or
 * removed (23503) after this one looked. `work` must look before it inserts, so that a second run meets what stood in its way and
 * says so in its own words.
 */
export async function retryConflicts<T>(work: () => Promise<T>, random: Random = systemRandom): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const conflict = error instanceof TransactionConflict || CONFLICT_STATES.includes(sqlState(error) ?? '');
      if (!conflict || attempt === TRIES_MAX) throw error;
      await delay(backoffMs(attempt, random, { firstMs: 2, maxMs: 100 }));
    }
  }
}

/** Runs `work` in a transaction, retried as a whole: it must have no effect outside the database. */
export function inTransaction<T>(db: Database, work: (tx: Queryable) => Promise<T>): Promise<T> {
  return retryConflicts(() => db.transaction(work));
}

/** The SQLSTATE or driver code of an error, or of what caused it. */
export function sqlState(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as { code?: unknown };
    if (typeof code === 'string') return code;
  }
  return undefined;
}

/**
 * Postgres did not answer, or went away in the middle: what was asked may or may not have happened. Class 08 is the connection,
 * 57P0x a server that stops or starts, 53300 no connection left.
 */
export function isDatabaseAway(error: unknown): boolean {
  // A refusal of our own may carry a code that looks like one of the driver's.
  if (error instanceof FeitianError) return false;
  const state = sqlState(error);
  if (state === undefined) return false;
  return /^(08...|57P0.|53300|CONNECT.*|ECONN.*|EPIPE|ETIMEDOUT|ENOENT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|ENOTFOUND)$/.test(state);
}
