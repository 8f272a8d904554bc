import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrateDatabase } from '../../infra/database.ts';
import { openDatabase } from '../../services/base/database.ts';
import { silentLogger } from '../../services/base/log.ts';
import type { RoleConfig } from '../../services/base/role.ts';
import { joinCluster } from '../../services/nuwa/client.ts';
import { startNuwa } from '../../services/nuwa/server.ts';
import { type ChunkServerOptions, startChunkServer } from '../../services/pangu/chunk/server.ts';
import { createPangu } from '../../services/pangu/client.ts';
import type { PanguClient } from '../../services/pangu/contract.ts';
import { type MasterOptions, startMaster } from '../../services/pangu/master/server.ts';
import { setTrashRetentionMs } from '../../services/pangu/master/settings.ts';
import { withPostgres } from './postgres.ts';
import { type RoleProcess, startRoleProcess } from './role-process.ts';

export interface PanguClusterOptions {
  /** @default n1 and n2 in rack r1, n3 and n4 in rack r2 */
  nodes?: { id: string; rack: string; dataDir?: string; disks?: string[] }[];
  /** Roles that run in processes of their own, so that they can be killed. @default none */
  processes?: ('pangu-master' | 'pangu-chunk')[];
  /** How many masters run. @default 1 */
  masters?: number;
  /** What roles in processes of their own are told beside their configuration; what stands below is for those in this process. */
  ofProcesses?: { master?: Omit<MasterOptions, 'log'>; chunkServer?: Omit<ChunkServerOptions, 'log' | 'calls'> };
  /** @default a grace and a pause of 50 ms */
  garbage?: MasterOptions['garbage'];
  /** Off unless asked for, so that what is lost stays lost for those who look. */
  control?: MasterOptions['control'];
  /** How often masters look for writers that are gone, beside hearing of them. @default as in a real cluster */
  leases?: MasterOptions['leases'];
  /** How long removed files stay in the trash. @default 0: whoever removes a file here wants to see it go */
  trashRetentionMs?: number;
  /** How often chunk servers tell their free space. @default 200 */
  reportMs?: number;
  /** More of those chunk servers that run in this process. */
  chunkServer?: ChunkServerOptions;
  /** Of chunk servers in this process. @default their own: the first chunk is read back after a minute */
  scrub?: ChunkServerOptions['scrub'];
  /** A Postgres that is there already. */
  databaseUrl?: string;
}

export interface PanguCluster {
  readonly pangu: PanguClient;
  readonly cluster: Awaited<ReturnType<typeof joinCluster>>;
  readonly databaseUrl: string;
  /** Kuafu address of the Nuwa server. */
  readonly nuwaAddress: string;
  /** Of the master that runs now. */
  readonly masterAddress: string;
  readonly nodes: readonly string[];
  /** Of the roles that run in processes of their own. */
  readonly pids: ReadonlyMap<string, number>;
  readonly processes: ReadonlyMap<string, RoleProcess>;
  /** A client that runs on `node`. */
  clientOn(node: string): PanguClient;
  chunkDirectory(node: string): string;
  /** Paths of the chunk files on a node's disk. */
  chunkFiles(node: string): Promise<string[]>;
  /** SIGKILL for one that runs in a process, an orderly stop for one that does not. */
  killChunkServer(node: string): Promise<void>;
  startChunkServer(node: string): Promise<void>;
  /** The `which`th of them; its pid is that of `master`, `master-1`, … @default 0 */
  killMaster(which?: number): Promise<void>;
  startMaster(which?: number): Promise<void>;
  stop(): Promise<void>;
}

interface Stoppable {
  stop(): Promise<void>;
}

const CLUSTER = 'test';
const LISTEN = 'tcp://127.0.0.1:0';

/** Nuwa, a master, chunk servers and a client, over real sockets, disks and Postgres. */
export async function startPanguCluster(options: PanguClusterOptions = {}): Promise<PanguCluster> {
  const nodes: NonNullable<PanguClusterOptions['nodes']> =
    options.nodes ?? ['n1', 'n2', 'n3', 'n4'].map((id, i) => ({ id, rack: i < 2 ? 'r1' : 'r2' }));
  const directory = await mkdtemp(join(tmpdir(), 'feitian-test-pangu-'));
  const postgres = options.databaseUrl ? undefined : await withPostgres();
  const databaseUrl = options.databaseUrl ?? postgres!.url;
  await migrateDatabase(databaseUrl);
  await setTrashRetention(databaseUrl, options.trashRetentionMs ?? 0);
  const nuwa = await startNuwa({ cluster: CLUSTER, dataDir: join(directory, 'nuwa'), listen: LISTEN }, { log: silentLogger });

  const base = { cluster: CLUSTER, listen: LISTEN, nuwa: [nuwa.address] };
  const apart = (role: 'pangu-master' | 'pangu-chunk'): boolean => options.processes?.includes(role) ?? false;
  const chunkDirectory = (id: string): string => nodes.find((node) => node.id === id)?.dataDir ?? join(directory, id);

  const pids = new Map<string, number>();
  const processes = new Map<string, RoleProcess>();
  const keep = (name: string, process: RoleProcess): void => {
    pids.set(name, process.child.pid!);
    processes.set(name, process);
  };
  const chunkServers = new Map<string, Stoppable>();
  const startOneChunkServer = async (id: string): Promise<void> => {
    const node = nodes.find((node) => node.id === id)!;
    const config: RoleConfig = { ...base, node: { id: node.id, rack: node.rack }, dataDir: chunkDirectory(id), disks: node.disks };
    if (apart('pangu-chunk')) {
      const process = await startRoleProcess('pangu-chunk', config, {}, options.ofProcesses?.chunkServer);
      keep(id, process);
      chunkServers.set(id, { stop: process.kill });
    } else {
      chunkServers.set(
        id,
        await startChunkServer(config, {
          log: silentLogger,
          reportMs: options.reportMs ?? 200,
          scrub: options.scrub,
          ...options.chunkServer,
        }),
      );
    }
  };

  const masters = new Map<number, Stoppable & { address?: string }>();
  const startOneMaster = async (which = 0): Promise<void> => {
    const config: RoleConfig = { ...base, dataDir: join(directory, 'master'), databaseUrl };
    if (apart('pangu-master')) {
      const process = await startRoleProcess('pangu-master', config, {}, options.ofProcesses?.master);
      keep(which === 0 ? 'master' : `master-${which}`, process);
      masters.set(which, { stop: process.kill, address: process.address });
    } else {
      const master = await startMaster(config, {
        garbage: { graceMs: 50, pauseMs: 50, ...options.garbage },
        control: options.control ?? 'off',
        leases: options.leases,
        log: silentLogger,
      });
      masters.set(which, master);
    }
  };

  await Promise.all([
    ...Array.from({ length: options.masters ?? 1 }, (_, which) => startOneMaster(which)),
    ...nodes.map(({ id }) => startOneChunkServer(id)),
  ]);
  const cluster = await joinCluster({ cluster: CLUSTER, nuwa: [nuwa.address], creator: 'test', log: silentLogger });
  await allRegistered(cluster, nodes.length);
  const clientOn = (node?: string): PanguClient =>
    createPangu({ cluster: CLUSTER, kuafu: cluster.kuafu, nuwa: cluster.nuwa, node, log: silentLogger });

  return {
    pangu: clientOn(),
    cluster,
    databaseUrl,
    nuwaAddress: nuwa.address,
    get masterAddress() {
      return masters.get(0)!.address!;
    },
    nodes: nodes.map(({ id }) => id),
    pids,
    processes,
    clientOn,
    chunkDirectory,
    chunkFiles: async (node) => {
      const disks = nodes.find(({ id }) => id === node)?.disks ?? [chunkDirectory(node)];
      const found = await Promise.all(disks.map((disk) => readdir(join(disk, 'chunks'), { withFileTypes: true }).catch(() => [])));
      return found.flat().flatMap((entry) => (entry.isFile() ? [join(entry.parentPath, entry.name)] : []));
    },
    killChunkServer: async (node) => {
      await chunkServers.get(node)?.stop();
      chunkServers.delete(node);
    },
    startChunkServer: startOneChunkServer,
    killMaster: async (which = 0) => {
      await masters.get(which)?.stop();
      masters.delete(which);
    },
    startMaster: startOneMaster,
    stop: async () => {
      await cluster.leave();
      await Promise.all([...masters.values(), ...chunkServers.values()].map((role) => role.stop()));
      await nuwa.stop();
      await postgres?.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Masters hear of chunk servers by a watch; the test begins when the directory has them all. */
async function allRegistered({ nuwa }: Awaited<ReturnType<typeof joinCluster>>, count: number): Promise<void> {
  const { children, revision } = await nuwa.list('/services/pangu-chunk');
  const seen = new Set(children.map(({ path }) => path));
  if (seen.size >= count) return;
  for await (const event of nuwa.watch('/services/pangu-chunk', { recursive: true, afterRevision: revision })) {
    if (event.kind === 'created') seen.add(event.path);
    if (seen.size >= count) return;
  }
}

async function setTrashRetention(databaseUrl: string, retentionMs: number): Promise<void> {
  const { db, close } = openDatabase(databaseUrl, { connectionsMax: 1 });
  await setTrashRetentionMs(db, retentionMs);
  await close();
}
