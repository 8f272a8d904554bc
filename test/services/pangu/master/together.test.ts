import { type SQL, sql } from 'drizzle-orm';
import { PgDialect } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Database, rows } from '../../../../services/base/database.ts';
import { newId } from '../../../../services/base/ids.ts';
import type { CallContext } from '../../../../services/kuafu/contract.ts';
import { NOBODY } from '../../../../services/kuafu/guard-contract.ts';
import { closeTogether } from '../../../../services/pangu/master/close-together.ts';
import { masterHandlers } from '../../../../services/pangu/master/handlers.ts';
import { openQuickDatabase } from '../../../../services/pangu/master/together.ts';
import { type TestMetadata, withMetadata } from '../../../helpers/pangu-metadata.ts';

let metadata: TestMetadata;
let quick: ReturnType<typeof openQuickDatabase>;
beforeAll(async () => {
  metadata = await withMetadata();
  quick = openQuickDatabase(metadata.postgres.url);
});
afterAll(async () => {
  await quick.close();
  await metadata.stop();
});

const call = { caller: NOBODY } as CallContext;
const master = () => masterHandlers(metadata.context);

async function create(path: string, mode: 'w' | 'wx' = 'wx') {
  const file = newId('f');
  return { file, ...(await master().create({ file, path, mode, chunkBytes: 65536, replicas: 3, parents: false }, call)) };
}
type Made = Awaited<ReturnType<typeof create>>;
const close = ({ file, chunk, epoch }: Made, length: number, as = epoch) =>
  master().commit({ file, chunks: [{ chunk, offset: 0, length, state: 'sealed', lost: [] }], close: true, epoch: as }, call);
const sizeOf = async (path: string): Promise<number> => (await master().stat({ path }, call)).size;

/** What became of each: a value of it, or the error's code. */
const outcomes = async (calls: Promise<unknown>[]): Promise<unknown[]> =>
  (await Promise.allSettled(calls)).map((each) => (each.status === 'fulfilled' ? 'ok' : each.reason.code));

it('of files made at once those that cannot be hear why, and keep none of the others from being made', async () => {
  await metadata.directory('/made');
  const paths = ['/made/a', '/made/b', '/made/a', '/none/c', '/made/a/d', '/made/e', '/made'];
  const told = await outcomes(paths.map((path) => create(path)));
  expect(told.filter((_, i) => i === 0 || i === 2).sort()).toEqual(['EEXIST', 'ok']);
  expect([told[1], told[3], told[5], told[6]]).toEqual(['ok', 'ENOENT', 'ok', 'EEXIST']);
  expect(['ENOTDIR', 'ENOENT']).toContain(told[4]);
  expect(await metadata.names('/made')).toEqual(['a', 'b', 'e']);
});

it('a quota that one of them would go over stops as many as are too many', async () => {
  await metadata.directory('/full');
  await master().setQuota({ path: '/full', filesMax: 2, bytesMax: null }, call);
  const told = await outcomes(['a', 'b', 'c', 'd'].map((name) => create(`/full/${name}`)));
  expect(told.sort()).toEqual(['EDQUOT', 'EDQUOT', 'ok', 'ok']);
});

it('files closed at once get their own sizes, and one whose writer is another now hears of it', async () => {
  const made = await Promise.all([1, 2, 3].map((i) => create(`/closed-${i}`)));
  const told = await outcomes(made.map((each, i) => close(each, 100 + i, i === 1 ? each.epoch + 1 : each.epoch)));
  expect(told).toEqual(['ok', 'ESTALE', 'ok']);
  expect(await Promise.all([1, 2, 3].map((i) => sizeOf(`/closed-${i}`)))).toEqual([100, 0, 102]);
});

it('files of mode w take the places of those that are there, and of several for one path one stays', async () => {
  await Promise.all(['x', 'y'].map(async (name) => close(await create(`/${name}`), 1)));
  const made = await Promise.all(['/x', '/y', '/new', '/x'].map((path) => create(path, 'w')));
  expect(await sizeOf('/x')).toBe(1);
  expect(await outcomes(made.map((each, i) => close(each, 10 + i)))).toEqual(['ok', 'ok', 'ok', 'ok']);
  expect([10, 13]).toContain(await sizeOf('/x'));
  expect([await sizeOf('/y'), await sizeOf('/new')]).toEqual([11, 12]);
  const ids = made.map(({ file }) => `'${file}'`).join();
  expect(await metadata.count('inodes', `id in (${ids}) and state = 'closed' and target is null`)).toBe(4);
  expect(await metadata.count('inodes', `id in (${ids}) and deleted_at is not null and parent is null`)).toBe(1);
});

it('a lock that somebody holds for long keeps back the one file, not those that are closed with it', async () => {
  const [held, free] = [await create('/held'), await create('/free')];
  let letGo!: () => void;
  const until = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  let locked!: () => void;
  const holding = new Promise<void>((resolve) => {
    locked = resolve;
  });
  const holder = metadata.context.db.transaction(async (tx) => {
    await tx.execute(sql`select 1 from pangu.inodes where id = ${held.file} for update`);
    locked();
    await until;
  });
  await holding;
  const waiting = close(held, 5);
  await close(free, 6);
  expect([await sizeOf('/held'), await sizeOf('/free')]).toEqual([0, 6]);
  letGo();
  await holder;
  await waiting;
  expect(await sizeOf('/held')).toBe(5);
});

it('goes through no table: what is closed is looked up by key, though tables were empty when it was planned', async () => {
  const made = await Promise.all([
    create('/plan-a'),
    create('/plan-b', 'w'),
    close(await create('/plan-c'), 1).then(() => create('/plan-c', 'w')),
  ]);
  const scans: string[] = [];
  const dialect = new PgDialect();
  const explaining = (db: Database): Database =>
    ({
      execute: async (statement: SQL) => {
        const { sql: text, params } = dialect.sqlToQuery(statement);
        const literal = text.replaceAll(/\$(\d+)/g, (_, n) => `'${String(params[Number(n) - 1]).replaceAll("'", "''")}'`);
        const plan = await rows<{ 'QUERY PLAN': string }>(db, sql.raw(`explain (costs off) ${literal}`));
        const lines = plan.map((row) => row['QUERY PLAN']);
        // A scan of a table with no condition on the next line reads all of it.
        scans.push(
          ...lines.filter(
            (line, i) => / on (inodes|chunks|replicas)/.test(line) && / Scan /.test(line) && !/Cond:/.test(lines[i + 1] ?? ''),
          ),
        );
        return db.execute(statement);
      },
      transaction: (work: (tx: Database) => unknown) => db.transaction(async (tx) => work(explaining(tx as never))),
    }) as never;
  const asked = made.map(({ file, epoch, chunk }) => ({ file, epoch, chunk, length: 10 }));
  const closed = await closeTogether(explaining(quick.db), asked);
  expect(closed.map((inode) => inode?.size)).toEqual([10, 10, 10]);
  expect(scans).toEqual([]);
});
