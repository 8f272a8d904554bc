import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { type Database, isDatabaseAway, rows } from '../../../base/database.ts';
import { messageOf } from '../../../base/errors.ts';
import { CHUNK_STATES } from '../../core/states.ts';
import { SETTLED } from '../chunks.ts';
import type { MasterContext } from '../context.ts';

/** What the tables say of the whole cluster, at one moment. */
export interface Figures {
  files: number;
  fileBytes: number;
  chunksByState: Record<string, number>;
  underReplicated: number;
  unavailable: number;
  replicasByNode: Record<string, number>;
}

const MEASURE_MS = 5_000;
/** The pause is at least this many times what the look took: on a large cluster it costs a twentieth of one core, and is told less often. */
const PAUSE_SHARE = 19;

/** Looks at the tables every few seconds, so that whoever asks for metrics waits for no query. @returns what was seen last; nothing while Postgres is away. */
export function startMeasuring(
  context: MasterContext,
  { pauseMs = MEASURE_MS }: { pauseMs?: number } = {},
): { figures(): Figures | undefined; stop(): Promise<void> } {
  const { db, chunkServers, log } = context;
  const stopping = new AbortController();
  let figures: Figures | undefined;
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const startedMs = performance.now();
      try {
        figures = await measure(
          db,
          chunkServers.list().map(({ id }) => id),
        );
      } catch (error) {
        figures = undefined;
        log[isDatabaseAway(error) ? 'info' : 'error']({ error: messageOf(error) }, 'measure.failed');
      }
      const waitMs = Math.max(pauseMs, (performance.now() - startedMs) * PAUSE_SHARE);
      await delay(waitMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  };
  const running = run();
  return {
    figures: () => figures,
    stop: () => {
      stopping.abort();
      return running;
    },
  };
}

/**
 * Each query reads its table once. A chunk counts as short of replicas by its file's own wish, whatever the number of nodes; files out of the
 * tree and open chunks, which their writers look after, do not count.
 */
export async function measure(db: Database, nodes: readonly string[]): Promise<Figures> {
  const [[files], chunks, [replication], replicas] = await Promise.all([
    rows<{ files: number; bytes: number }>(
      db,
      sql`
        select count(*)::float8 as files, coalesce(sum(size), 0)::float8 as bytes
        from pangu.inodes where type = 'file' and parent is not null`,
    ),
    rows<{ state: string; count: number }>(db, sql`select state, count(*)::float8 as count from pangu.chunks group by state`),
    rows<{ under: number; none: number }>(
      db,
      sql`
        select count(*) filter (where there < wanted)::float8 as under, count(*) filter (where there = 0)::float8 as none
        from (
          select i.replicas as wanted, count(n.node) as there
          from pangu.chunks c
          join pangu.inodes i on i.id = c.file and i.replicas > 1 and i.deleted_at is null
          left join pangu.replicas r on r.chunk = c.id
          left join (select jsonb_array_elements_text(${JSON.stringify(nodes)}::jsonb) as node) n on n.node = r.node
          where ${SETTLED}
          group by c.id, i.replicas
        ) chunk`,
    ),
    rows<{ node: string; count: number }>(db, sql`select node, count(*)::float8 as count from pangu.replicas group by node`),
  ]);
  const none = Object.fromEntries(CHUNK_STATES.map((state) => [state, 0]));
  return {
    files: files!.files,
    fileBytes: files!.bytes,
    chunksByState: { ...none, ...Object.fromEntries(chunks.map(({ state, count }) => [state, count])) },
    underReplicated: replication!.under,
    unavailable: replication!.none,
    replicasByNode: Object.fromEntries(replicas.map(({ node, count }) => [node, count])),
  };
}
