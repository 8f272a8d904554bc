import { chmod, mkdir, mkdtemp, readlink, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startPostgres } from '../../infra/cluster/postgres.ts';
import { removePlacedData } from '../../infra/cluster/postgres-place.ts';

let base: string;

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'feitian-postgres-'));
});
afterEach(async () => {
  await removePlacedData(join(base, 'closed', 'postgres'));
  await rm(base, { recursive: true, force: true });
});

/** Starts, asks, stops, twice: what was written the first time is there the second time. */
async function useTwice(directory: string): Promise<void> {
  const first = await startPostgres(directory);
  const writer = postgres(first.url, { max: 1 });
  await writer`create table kept as select 42 as what`;
  await writer.end();
  await first.stop();
  const second = await startPostgres(directory);
  const reader = postgres(second.url, { max: 1 });
  expect(await reader`select what from kept`).toEqual([{ what: 42 }]);
  const settings =
    await reader`select pg_encoding_to_char(encoding) as encoding, datcollate as collation from pg_database where datname = current_database()`;
  expect(settings).toEqual([{ encoding: 'UTF8', collation: 'C' }]);
  await reader.end();
  await second.stop();
}

test('Postgres keeps its data in the directory it is given, closed to others', async () => {
  const directory = join(base, 'open');
  await useTwice(directory);
  expect((await stat(join(directory, 'postgres'))).mode & 0o077).toBe(0);
  expect((await stat(join(directory, 'keys', 'postgres-password'))).mode & 0o077).toBe(0);
});

test.runIf(process.getuid?.() === 0)('below a folder that only root can enter, the data lies elsewhere', async () => {
  await chmod(base, 0o700);
  const directory = join(base, 'closed');
  await mkdir(directory, { mode: 0o700 });
  await useTwice(directory);
  const elsewhere = await readlink(join(directory, 'postgres'));
  expect((await stat(elsewhere)).mode & 0o077).toBe(0);
  expect((await stat(base)).mode & 0o077).toBe(0);

  // Somebody removes the temporary directory by hand; the next one that is placed there finds it out.
  await rm(directory, { recursive: true });
  await mkdir(directory, { mode: 0o700 });
  await (await startPostgres(directory)).stop();
  await expect(stat(elsewhere)).rejects.toThrow('ENOENT');
});
