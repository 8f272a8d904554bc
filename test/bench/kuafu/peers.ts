/**
 * The peers' packages are none of ours: they are installed beside the other peers' programs, as the scripts of the peers' directory do, and the Go program is built
 * from its source there. What cannot be had is said, and the bench goes on without it.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from '../../../infra/setup/run-program.ts';

const DEPENDENCIES = {
  '@bufbuild/protobuf': '2.17.0',
  '@connectrpc/connect': '2.1.2',
  '@connectrpc/connect-node': '2.1.2',
  '@grpc/grpc-js': '1.14.7',
  '@grpc/proto-loader': '0.8.1',
};
const INSTALL_MS_MAX = 5 * 60_000;

export interface RpcPeers {
  /** Directory with the packages of grpc-js and Connect. */
  packages?: string;
  /** Path of grpc-go's server and client. */
  grpcGo?: string;
  versions: Record<string, string>;
  missing: string[];
}

export async function openRpcPeers(peersDir: string, say: (line: string) => void): Promise<RpcPeers> {
  const home = process.env.PEERS_HOME ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'peers');
  const peers: RpcPeers = { versions: {}, missing: [] };
  const attempt = async (name: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      peers.missing.push(`${name}: ${(error as Error).message}`);
    }
  };
  await attempt('grpc-js and connect', async () => {
    const dir = join(home, 'kuafu-bench');
    if (!(await holds(dir))) {
      say('installing grpc-js and connect …');
      await mkdir(dir, { recursive: true });
      await writeFile(join(dir, 'package.json'), JSON.stringify({ name: 'kuafu-bench', private: true, dependencies: DEPENDENCIES }));
      await runProgram('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: dir, timeoutMs: INSTALL_MS_MAX });
    }
    peers.packages = dir;
    Object.assign(peers.versions, DEPENDENCIES);
  });
  await attempt('grpc-go', async () => {
    const program = join(home, 'bin', 'grpcgo');
    const source = join(peersDir, 'rpc', 'go');
    if (!existsSync(program)) {
      if (!existsSync(source)) throw new Error(`neither ${program} nor its source ${source} is there (--peers names the directory)`);
      say('building grpc-go …');
      await mkdir(join(home, 'bin'), { recursive: true });
      await runProgram('go', ['build', '-C', source, '-o', program, '.'], { timeoutMs: INSTALL_MS_MAX, env: { GOTOOLCHAIN: 'local' } });
    }
    peers.grpcGo = program;
    const modules = await readFile(join(source, 'go.mod'), 'utf8').catch(() => '');
    peers.versions['grpc-go'] = /google\.golang\.org\/grpc v(\S+)/.exec(modules)?.[1] ?? 'as built earlier';
  });
  return peers;
}

/** An install that was broken off has the directories, but not the list that npm writes last. */
async function holds(dir: string): Promise<boolean> {
  const text = await readFile(join(dir, 'node_modules', '.package-lock.json'), 'utf8').catch(() => '{}');
  const { packages = {} } = JSON.parse(text) as { packages?: Record<string, { version: string }> };
  return Object.entries(DEPENDENCIES).every(([name, version]) => packages[`node_modules/${name}`]?.version === version);
}
