import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { migrateDatabase } from '../../infra/database.ts';
import { silentLogger } from '../../services/base/log.ts';
import { startNuwa } from '../../services/nuwa/server.ts';
import { startChunkServer } from '../../services/pangu/chunk/server.ts';
import { startMaster } from '../../services/pangu/master/server.ts';
import { withPostgres } from '../helpers/postgres.ts';

export interface Ran {
  code: number;
  stdout: string;
  /** Standard output, byte for byte. */
  bytes: Buffer;
  stderr: string;
}

/** Runs verbs in this process, as the `feitian` command would, with what they print caught. */
export async function runVerbs(register: ((program: Command) => void)[], args: string[]): Promise<Ran> {
  const ran: Ran = { code: 0, stdout: '', bytes: Buffer.alloc(0), stderr: '' };
  const real = { stdout: process.stdout.write, stderr: process.stderr.write };
  const exitCode = process.exitCode;
  const pieces: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] };
  const catching = (name: 'stdout' | 'stderr') =>
    ((piece: string | Uint8Array, ...rest: unknown[]) => {
      pieces[name].push(Buffer.from(piece as string));
      const done = rest.find((each) => typeof each === 'function') as (() => void) | undefined;
      if (done) queueMicrotask(done);
      return true;
    }) as typeof process.stdout.write;
  process.stdout.write = catching('stdout');
  process.stderr.write = catching('stderr');
  process.exitCode = 0;
  try {
    const program = new Command('feitian').exitOverride();
    for (const each of register) each(program);
    const override = (command: Command): void => {
      command.exitOverride();
      command.commands.forEach(override);
    };
    override(program);
    await program.parseAsync(args, { from: 'user' });
    ran.code = process.exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    ran.code = error.exitCode === 0 ? 0 : 2;
  } finally {
    Object.assign(process.stdout, { write: real.stdout });
    Object.assign(process.stderr, { write: real.stderr });
    process.exitCode = exitCode;
  }
  const bytes = Buffer.concat(pieces.stdout);
  return { ...ran, bytes, stdout: bytes.toString('utf8'), stderr: Buffer.concat(pieces.stderr).toString('utf8') };
}

export interface Stage {
  /** What `--dir` names: `cluster.json` lies there. */
  dir: string;
  stop(): Promise<void>;
}

/** Nuwa and Pangu on two nodes, and the `cluster.json` that tells of them. */
export async function openStage(): Promise<Stage> {
  const dir = await mkdtemp(join(tmpdir(), 'feitian-test-cli-'));
  const postgres = await withPostgres();
  await migrateDatabase(postgres.url);
  const listen = 'tcp://127.0.0.1:0';
  const nuwa = await startNuwa({ cluster: 'local', dataDir: join(dir, 'nuwa'), listen }, { log: silentLogger });
  const base = { cluster: 'local', listen, nuwa: [nuwa.address] };
  const nodes = [
    { id: 'node-1', rack: 'rack-a' },
    { id: 'node-2', rack: 'rack-b' },
  ];
  const roles = await Promise.all([
    startMaster({ ...base, dataDir: join(dir, 'master'), databaseUrl: postgres.url }, { log: silentLogger }),
    ...nodes.map((node) => startChunkServer({ ...base, node, dataDir: join(dir, node.id) }, { log: silentLogger })),
  ]);
  const info = {
    name: 'local',
    temporal: { address: '127.0.0.1:1', namespace: 'default' },
    postgres: { url: postgres.url },
    nuwa: { kuafu: [nuwa.address.replace('tcp://', '')], zookeeper: [] },
    nodes,
    processes: [],
    admin: { keyFile: join(dir, 'admin.pem') },
  };
  await writeFile(join(dir, 'cluster.json'), JSON.stringify(info));
  return {
    dir,
    async stop() {
      await Promise.all(roles.map((role) => role.stop()));
      await nuwa.stop();
      await postgres.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
