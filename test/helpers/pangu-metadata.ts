import { sql } from 'drizzle-orm';
import { migrateDatabase } from '../../infra/database.ts';
import { openDatabase, rows } from '../../services/base/database.ts';
import { newId } from '../../services/base/ids.ts';
import { silentLogger } from '../../services/base/log.ts';
import { systemRandom } from '../../services/base/random.ts';
import { PanguError } from '../../services/pangu/contract.ts';
import type { ChunkServerInfo, MasterContext } from '../../services/pangu/master/context.ts';
import { commit } from '../../services/pangu/master/ops/commit.ts';
import { create } from '../../services/pangu/master/ops/create.ts';
import { mkdir } from '../../services/pangu/master/ops/mkdir.ts';
import { stat } from '../../services/pangu/master/ops/stat.ts';
import { gatherOperations, openQuickDatabase } from '../../services/pangu/master/together.ts';
import { type TestPostgres, withPostgres } from './postgres.ts';

export interface TestMetadata {
  readonly context: MasterContext;
  readonly postgres: TestPostgres;
  /** The chunk servers that placement sees; to be changed at will. */
  servers: ChunkServerInfo[];
  /** A closed file, with one chunk when `length` is more than 0; returns its id. */
  file(path: string, options?: { length?: number; mode?: 'w' | 'wx' }): Promise<string>;
  directory(path: string): Promise<void>;
  exists(path: string): Promise<boolean>;
  /** Names below a directory, in order. */
  names(path: string): Promise<string[]>;
  /** How many rows a statement's `count` is. */
  count(table: 'inodes' | 'chunks' | 'replicas' | 'garbage' | 'requests', where?: string): Promise<number>;
  stop(): Promise<void>;
}

/** A master's operations over a real Postgres; its chunk servers are entries in a list that nobody calls. */
export async function withMetadata(): Promise<TestMetadata> {
  const postgres = await withPostgres();
  await migrateDatabase(postgres.url);
  const { db, close } = openDatabase(postgres.url, { connectionsMax: 8 });
  const quick = openQuickDatabase(postgres.url);
  const metadata: TestMetadata = {
    postgres,
    servers: ['n1', 'n2', 'n3', 'n4'].map((id, i) => ({ id, rack: i < 2 ? 'r1' : 'r2', freeBytes: 1e12, address: `tcp://${id}:1` })),
    context: {
      cluster: 'test',
      db,
      chunkServers: { list: () => metadata.servers, get: (node) => metadata.servers.find(({ id }) => id === node) },
      chunkServerAt: () => {
        throw new Error('these chunk servers are never called');
      },
      random: systemRandom,
      log: silentLogger,
    },
    file: async (path, { length = 0, mode = 'wx' } = {}) => {
      const file = newId('f');
      const { chunk } = await create(metadata.context, { file, path, mode, chunkBytes: 65536, replicas: 3, parents: false });
      const chunks = length > 0 ? [{ chunk, offset: 0, length, state: 'sealed' as const, lost: [] }] : [];
      await commit(metadata.context, { file, chunks, close: true });
      return file;
    },
    directory: async (path) => {
      await mkdir(metadata.context, { requestId: newId(), path, recursive: true });
    },
    exists: async (path) => {
      try {
        await stat(metadata.context, { path });
        return true;
      } catch (error) {
        if (error instanceof PanguError && error.code === 'ENOENT') return false;
        throw error;
      }
    },
    names: async (path) => {
      const { readdir } = await import('../../services/pangu/master/ops/readdir.ts');
      return (await readdir(metadata.context, { path, limit: 5000 })).entries.map(({ name }) => name);
    },
    count: async (table, where = 'true') => {
      const [row] = await rows<{ count: number }>(db, sql.raw(`select count(*)::int as count from pangu.${table} where ${where}`));
      return row!.count;
    },
    stop: async () => {
      await quick.close();
      await close();
      await postgres.stop();
    },
  };
  Object.assign(metadata.context, { together: gatherOperations(metadata.context, quick.db) });
  return metadata;
}
