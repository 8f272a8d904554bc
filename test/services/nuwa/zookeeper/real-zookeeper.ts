import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../../../infra/cluster/ports.ts';

/** Where Debian's package `zookeeper` has its jars. */
const JARS = '/usr/share/java';
/** Its own and what its server and its command line need, as Debian names them. */
const NEEDED =
  /^(zookeeper|zookeeper-jute|slf4j-api|slf4j-simple|netty[\w-]*|metrics-core|snappy-java|commons-cli|commons-io|jackson[\w-]*|jline2?)\.jar$/;
const READY_MS_MAX = 30_000;

/** The class path of ZooKeeper, if this machine has it and a Java to run it. */
export function zookeeperClassPath(): string | undefined {
  if (spawnSync('java', ['-version']).status !== 0 || !existsSync(join(JARS, 'zookeeper.jar'))) return undefined;
  return readdirSync(JARS)
    .filter((name) => NEEDED.test(name))
    .map((name) => join(JARS, name))
    .join(':');
}

/** ZooKeeper itself, one server with its defaults and TTL nodes. @returns where it answers, and how to end it. */
export async function startRealZookeeper(classPath: string): Promise<{ address: string; close(): Promise<void> }> {
  const dir = mkdtempSync(join(tmpdir(), 'zookeeper-'));
  const port = await freePort();
  mkdirSync(join(dir, 'data'));
  const lines = [
    `dataDir=${join(dir, 'data')}`,
    `clientPort=${port}`,
    'clientPortAddress=127.0.0.1',
    'tickTime=2000',
    'admin.enableServer=false',
  ];
  writeFileSync(join(dir, 'zoo.cfg'), lines.join('\n'));
  const properties = ['-Dzookeeper.extendedTypesEnabled=true', '-Dzookeeper.4lw.commands.whitelist=*', '-Xmx256m'];
  const main = ['org.apache.zookeeper.server.ZooKeeperServerMain', join(dir, 'zoo.cfg')];
  const server = spawn('java', ['-cp', classPath, ...properties, ...main], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  server.stderr.on('data', (chunk) => (said = (said + chunk).slice(-4_000)));
  const exited = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  const close = async (): Promise<void> => {
    server.kill('SIGKILL');
    await exited;
    rmSync(dir, { recursive: true });
  };
  for (const endMs = Date.now() + READY_MS_MAX; !(await answers(port)); await delay(100)) {
    if (server.exitCode === null && Date.now() < endMs) continue;
    await close();
    throw new Error(`ZooKeeper does not answer: ${said}`);
  }
  return { address: `127.0.0.1:${port}`, close };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('srvr'));
    // Before it has read its files it says that it serves nobody yet.
    socket.once('data', (chunk) => resolve(chunk.toString().includes('Mode: ')));
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}
