import { migrateDatabase } from '../../../../infra/database.ts';
import { openDatabase } from '../../../../services/base/database.ts';
import { silentLogger } from '../../../../services/base/log.ts';
import { packagePath, type Rollout } from '../../../../services/dayu/contract.ts';
import { parseRollout } from '../../../../services/dayu/core/rollout.ts';
import type { MasterContext } from '../../../../services/dayu/master/context.ts';
import { registerRelease } from '../../../../services/dayu/master/ops/register-release.ts';
import { PanguError } from '../../../../services/pangu/contract.ts';
import { type TestPostgres, withPostgres } from '../../../helpers/postgres.ts';

export interface TestMaster {
  readonly context: MasterContext;
  readonly postgres: TestPostgres;
  nodes: { id: string; rack: string }[];
  /** Run ids that Temporal knows as running. */
  readonly running: Set<string>;
  /** Sizes of packages in Pangu, by digest. */
  readonly packages: Map<string, number>;
  /** Registers a version of an application. */
  release(application: string, version: string): Promise<void>;
  stop(): Promise<void>;
}

/** The master's operations over a real Postgres. Nodes, Temporal's runs and Pangu's packages are lists to be changed at will. */
export async function withMaster(): Promise<TestMaster> {
  const postgres = await withPostgres();
  await migrateDatabase(postgres.url);
  const { db, close } = openDatabase(postgres.url, { connectionsMax: 8 });
  const master: TestMaster = {
    postgres,
    nodes: ['node-1', 'node-2', 'node-3'].map((id, i) => ({ id, rack: i < 2 ? 'rack-a' : 'rack-b' })),
    running: new Set(),
    packages: new Map(),
    context: {
      db,
      workflows: { isRunning: async (_workflowId, runId) => master.running.has(runId) },
      pangu: {
        stat: async (path) => {
          for (const [digest, size] of master.packages)
            if (packagePath(digest) === path)
              return { path, type: 'file', size, state: 'closed', chunkBytes: 1, replicas: 1, createdAtMs: 0, modifiedAtMs: 0 } as never;
          throw new PanguError('ENOENT', `${path} is not there`);
        },
      },
      nodes: async () => master.nodes,
      log: silentLogger,
    },
    release: async (application, version) => {
      const digest = digestOf(application, version);
      master.packages.set(digest, 100);
      await registerRelease(master.context, { descriptor: descriptorOf(application, version), digest, bytes: 100 });
    },
    stop: async () => {
      await close();
      await postgres.stop();
    },
  };
  return master;
}

export const descriptorOf = (name: string, version: string) => ({ name, version, roles: { web: { command: ['node', 'server.mjs'] } } });

export function digestOf(...parts: string[]): string {
  return Buffer.from(parts.join(' ')).toString('hex').padEnd(64, '0').slice(0, 64);
}

export function rolloutOf(application: string, version: string, more: object = {}): Rollout {
  const parsed = parseRollout({ application, version, ...more });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.rollout;
}
