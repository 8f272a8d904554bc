import { readFile } from 'node:fs/promises';
import { sql } from 'drizzle-orm';
import { type Database, openDatabase } from '../../../services/base/database.ts';
import { newId } from '../../../services/base/ids.ts';
import { connectMasters, type Masters } from '../../../services/pangu/client/masters.ts';
import { startPanguCluster } from '../../helpers/pangu-cluster.ts';
import { withPostgres } from '../../helpers/postgres.ts';
import type { BenchOptions, Row } from '../main.ts';
import { repeat } from './load.ts';

/**
 * What an operation on names costs while there are ten thousand files, and while there are a million, all in one directory: through a master in a process
 * of its own, over a Postgres that syncs each commit. The files are put into the tables in bulk, each with a chunk and three replicas; those that
 * are created hold no bytes, so that chunk servers have no part in it.
 */
const SIZES = { quick: [10_000, 100_000], full: [10_000, 1_000_000] };
const SECONDS = { quick: 2, full: 5 };
const IN_FLIGHT = 32;
const PAGE = 1_000;
const DIRECTORY = '/fill/all';

export async function names({ quick, say }: BenchOptions): Promise<Row[]> {
  const postgres = await withPostgres({ durable: true });
  const cluster = await startPanguCluster({ processes: ['pangu-master'], databaseUrl: postgres.url, trashRetentionMs: 24 * 3600_000 });
  const { db, close } = openDatabase(postgres.url, { connectionsMax: 2 });
  const masters = connectMasters(cluster.cluster.kuafu, 'test');
  const rows: Row[] = [];
  try {
    await masters.mkdir({ requestId: newId(), path: DIRECTORY, recursive: true });
    await masters.mkdir({ requestId: newId(), path: '/work', recursive: true });
    let filled = 0;
    for (const size of quick ? SIZES.quick : SIZES.full) {
      const startedMs = performance.now();
      await fill(db, filled, size);
      filled = size;
      say(`${size.toLocaleString('en')} files, ${((performance.now() - startedMs) / 1000).toFixed(1)} s to put them there`);
      const figures = await measure(masters, size, quick ? SECONDS.quick : SECONDS.full, say);
      const memoryMiB = (await residentKiB(cluster.pids.get('master')!)) / 1024;
      rows.push({ what: `pangu namespace, ${size.toLocaleString('en')} files`, figures: { ...figures, 'master memory MiB': memoryMiB } });
    }
  } finally {
    await close();
    await cluster.stop();
    await postgres.stop();
  }
  return rows;
}

const nameOf = (index: number): string => `f${String(index).padStart(9, '0')}`;

async function fill(db: Database, from: number, to: number): Promise<void> {
  const step = 50_000;
  for (let start = from; start < to; start += step) {
    const end = Math.min(start + step, to) - 1;
    const numbers = sql`generate_series(${start}::int, ${end}::int) as n`;
    await db.execute(sql`
      insert into pangu.inodes (id, parent, name, type, state, size, chunk_bytes, replicas)
      select 'fill-' || n, (select child.id from pangu.inodes above join pangu.inodes child on child.parent = above.id where above.parent = 'root' and above.name = 'fill'), 'f' || lpad(n::text, 9, '0'), 'file', 'closed', 4096, 67108864, 3 from ${numbers}`);
    await db.execute(sql`
      insert into pangu.chunks (id, file, index, "offset", length, state)
      select 'fill-' || n, 'fill-' || n, 0, 0, 4096, 'sealed' from ${numbers}`);
    await db.execute(sql`
      insert into pangu.replicas (chunk, node) select 'fill-' || n, 'n' || (1 + (n + r) % 4) from ${numbers}, generate_series(0, 2) as r`);
  }
  for (const table of ['inodes', 'chunks', 'replicas']) await db.execute(sql.raw(`vacuum analyze pangu.${table}`));
  await db.execute(sql`checkpoint`);
}

async function measure(masters: Masters, size: number, seconds: number, say: (line: string) => void): Promise<Row['figures']> {
  const figures: Row['figures'] = {};
  const random = (): number => Math.floor(Math.random() * size);
  const time = async (
    what: string,
    work: (index: number) => Promise<unknown>,
    bounds: { inFlight?: number; atMost?: number } = {},
  ): Promise<number> => {
    const { count, perSecond, p50Ms } = await repeat(work, { seconds, inFlight: IN_FLIGHT, ...bounds });
    figures[`${what}/s`] = Math.round(perSecond);
    figures[`${what} p50 ms`] = Number(p50Ms.toFixed(2));
    say(`  ${what}: ${figures[`${what}/s`]}/s, p50 ${figures[`${what} p50 ms`]} ms`);
    return count;
  };
  const base = newId('w');
  const made = await time('create', async (index) => {
    const file = newId('f');
    await masters.create({ file, path: `${DIRECTORY}/${base}-${index}`, mode: 'wx', chunkBytes: 65536, replicas: 3, parents: false });
    await masters.commit({ file, chunks: [], close: true });
  });
  await time('stat', () => masters.stat({ path: `${DIRECTORY}/${nameOf(random())}` }));
  await time('list page', () => masters.readdir({ path: DIRECTORY, after: nameOf(random()), limit: PAGE }), { inFlight: 4 });
  const created = (index: number): string => `${DIRECTORY}/${base}-${index}`;
  const renamed = await time(
    'rename file',
    (index) => masters.rename({ requestId: newId(), from: created(index), to: `${created(index)}-renamed` }),
    { atMost: made },
  );
  let there = DIRECTORY;
  await time(
    'rename directory',
    async (index) => {
      const to = `/work/all-${index}`;
      await masters.rename({ requestId: newId(), from: there, to });
      there = to;
    },
    { inFlight: 1 },
  );
  await masters.rename({ requestId: newId(), from: there, to: DIRECTORY });
  const remove = (index: number, skipTrash: boolean) =>
    masters.remove({
      requestId: newId(),
      path: index < renamed ? `${created(index)}-renamed` : created(index),
      what: 'file',
      force: false,
      skipTrash,
    });
  const half = Math.floor(made / 2);
  await time('delete to trash', (index) => remove(index, false), { atMost: half });
  await time('delete for good', (index) => remove(half + index, true), { atMost: made - half });
  return figures;
}

async function residentKiB(pid: number): Promise<number> {
  return Number(/VmRSS:\s+(\d+) kB/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))![1]);
}
