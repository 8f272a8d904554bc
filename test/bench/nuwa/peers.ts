/**
 * etcd and ZooKeeper beside Nuwa, and the Go client that drives all three alike. Looked for, and the Go programs built, as the scripts of the peers'
 * directory do; what cannot be had is said, and the bench goes on without it.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../../infra/cluster/ports.ts';
import { runProgram } from '../../../infra/setup/run-program.ts';
import { awaitPort, type ServerProcess, startServer } from './processes.ts';

export interface PeerGroup {
  /** `host:port` each. */
  endpoints: string[];
  servers: ServerProcess[];
}

export interface Peers {
  /** Path of the load generator. */
  client?: string;
  etcd?: PeerGroup;
  zookeeper?: PeerGroup;
  /** What could not be had, and why. */
  missing: string[];
}

/** Building etcd from its module downloads a hundred others. */
const BUILD_MS_MAX = 15 * 60_000;
const SERVERS = 3;

export async function openPeers(peersDir: string, dir: string, say: (line: string) => void): Promise<Peers> {
  const missing: string[] = [];
  const bin = join(process.env.PEERS_HOME ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'peers'), 'bin');
  const build = async (name: string, source: string): Promise<string | undefined> => {
    const program = join(bin, name);
    if (existsSync(program)) return program;
    const modules = join(peersDir, 'etcd');
    if (!existsSync(join(modules, source))) {
      missing.push(`${name}: neither ${program} nor its source ${join(modules, source)} is there (--peers names the directory)`);
      return undefined;
    }
    await mkdir(bin, { recursive: true });
    say(`building ${name} …`);
    try {
      const env = { ...process.env, GOTOOLCHAIN: 'local' };
      await runProgram('go', ['build', '-C', modules, '-o', program, `./${source}`], { timeoutMs: BUILD_MS_MAX, env });
      return program;
    } catch (error) {
      missing.push(`${name}: ${(error as Error).message}`);
      return undefined;
    }
  };
  const client = await build('bench', 'bench');
  if (!client) return { missing };
  const attempt = async (name: string, start: () => Promise<PeerGroup>): Promise<PeerGroup | undefined> => {
    try {
      return await start();
    } catch (error) {
      missing.push(`${name}: ${(error as Error).message}`);
      return undefined;
    }
  };
  const etcdProgram = await build('etcd', 'server');
  const etcd = etcdProgram && (await attempt('etcd', () => startEtcd(etcdProgram, join(dir, 'etcd'))));
  const zookeeper = await attempt('ZooKeeper', () => startZookeeper(join(dir, 'zookeeper')));
  return { client, ...(etcd ? { etcd } : {}), ...(zookeeper ? { zookeeper } : {}), missing };
}

/** Its defaults, synced; only the quota is raised, so that a long bench does not end at 2 GiB. */
async function startEtcd(program: string, dir: string): Promise<PeerGroup> {
  await mkdir(dir, { recursive: true });
  const members: { name: string; client: number; peer: number }[] = [];
  for (let i = 0; i < SERVERS; i++) members.push({ name: `m${i}`, client: await freePort(), peer: await freePort() });
  const cluster = members.map(({ name, peer }) => `${name}=http://127.0.0.1:${peer}`).join(',');
  const servers = members.map(({ name, client, peer }) => {
    const urls = ['--listen-client-urls', '--advertise-client-urls'].flatMap((flag) => [flag, `http://127.0.0.1:${client}`]);
    const peerUrls = ['--listen-peer-urls', '--initial-advertise-peer-urls'].flatMap((flag) => [flag, `http://127.0.0.1:${peer}`]);
    const args = ['--name', name, '--data-dir', join(dir, name), ...urls, ...peerUrls, '--initial-cluster', cluster];
    args.push('--initial-cluster-state', 'new', '--log-level', 'error', '--quota-backend-bytes', `${8 * 1024 ** 3}`);
    return startServer(`etcd ${name}`, [program, ...args], {}, join(dir, `${name}.log`));
  });
  for (const [i, { client }] of members.entries()) await awaitPort(client, servers[i]!);
  return { endpoints: members.map(({ client }) => `127.0.0.1:${client}`), servers };
}

const JARS = '/usr/share/java';
/** Its own and what its server needs, as Debian names them. */
const NEEDED =
  /^(zookeeper|zookeeper-jute|slf4j-api|slf4j-nop|slf4j-simple|netty[\w-]*|metrics-core|snappy-java|commons-cli|commons-io|log4j-1\.2|reload4j|jackson[\w-]*)\.jar$/;

async function startZookeeper(dir: string): Promise<PeerGroup> {
  const names = await readdir(JARS).catch((): string[] => []);
  if (!names.includes('zookeeper.jar')) throw new Error(`no ${JARS}/zookeeper.jar: apt install zookeeper`);
  const classPath = names.filter((name) => NEEDED.test(name)).map((name) => join(JARS, name));
  const members: { id: number; client: number; peer: number; election: number }[] = [];
  for (let id = 1; id <= SERVERS; id++) members.push({ id, client: await freePort(), peer: await freePort(), election: await freePort() });
  const group = members.map(({ id, peer, election }) => `server.${id}=127.0.0.1:${peer}:${election}`);
  const servers: ServerProcess[] = [];
  for (const { id, client } of members) {
    const data = join(dir, `${id}`);
    await mkdir(data, { recursive: true });
    await writeFile(join(data, 'myid'), `${id}`);
    const own = [`dataDir=${data}`, `clientPort=${client}`, 'clientPortAddress=127.0.0.1', 'maxClientCnxns=0', 'admin.enableServer=false'];
    const config = join(dir, `${id}.cfg`);
    await writeFile(config, ['tickTime=2000', 'initLimit=10', 'syncLimit=5', ...own, ...group].join('\n'));
    const main = ['org.apache.zookeeper.server.quorum.QuorumPeerMain', config];
    const java = ['java', '-Xmx1g', '-cp', classPath.join(':'), '-Dzookeeper.admin.enableServer=false', ...main];
    servers.push(startServer(`ZooKeeper ${id}`, java, {}, join(dir, `${id}.log`)));
  }
  for (const [i, { client }] of members.entries()) await awaitPort(client, servers[i]!);
  return { endpoints: members.map(({ client }) => `127.0.0.1:${client}`), servers };
}
