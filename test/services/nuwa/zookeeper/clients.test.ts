import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cacheDirectory } from '../../../../infra/setup/cache-directory.ts';
import { runProgram } from '../../../../infra/setup/run-program.ts';
import { Harness } from '../harness.ts';
import { openDoors } from './doors.ts';

/** Clients that others wrote, unchanged. Those that this machine cannot have are left out, and the test says so. */
async function kazoo(): Promise<string | undefined> {
  const directory = join(await cacheDirectory(), 'kazoo');
  if (existsSync(join(directory, 'kazoo'))) return directory;
  mkdirSync(directory, { recursive: true });
  const { status } = spawnSync('python3', ['-m', 'pip', 'install', '--quiet', '--no-input', '--target', directory, 'kazoo'], {
    timeout: 60_000,
  });
  return status === 0 ? directory : undefined;
}

/** The jars of Debian's package `zookeeper`. */
function zookeeperJars(): string | undefined {
  const directory = '/usr/share/java';
  if (spawnSync('java', ['-version']).status !== 0 || !existsSync(join(directory, 'zookeeper.jar'))) return undefined;
  const wanted =
    /^(zookeeper|zookeeper-jute|slf4j-api|slf4j-simple|netty-.*|netty|metrics-core|snappy-java|commons-cli|commons-io|jline2?)\.jar$/;
  return readdirSync(directory)
    .filter((name) => wanted.test(name))
    .map((name) => join(directory, name))
    .join(':');
}

const python = await kazoo();
const jars = zookeeperJars();

describe('unchanged ZooKeeper clients', () => {
  const harness = new Harness();
  let hosts: string;

  beforeAll(async () => {
    hosts = (await openDoors(harness, 3)).join(',');
  });
  afterAll(() => harness.close());

  test.skipIf(!python)('kazoo: nodes, transactions, watches, ACLs and its recipes', { timeout: 60_000 }, async () => {
    const script = fileURLToPath(new URL('kazoo-session.py', import.meta.url));
    const { stdout } = await runProgram('python3', [script, hosts], { timeoutMs: 50_000, env: { ...process.env, PYTHONPATH: python } });
    expect(stdout).toContain('all held');
  });

  test.skipIf(!jars)("zkCli, ZooKeeper's own client in Java", { timeout: 60_000 }, async () => {
    const cli = async (...command: string[]): Promise<string> => {
      const args = ['-cp', jars!, 'org.apache.zookeeper.ZooKeeperMain', '-server', hosts, ...command];
      const { stdout, stderr } = await runProgram('java', args, { timeoutMs: 40_000 });
      return stdout + stderr;
    };
    await cli('create', '/java', 'hello');
    expect(await cli('get', '-s', '/java')).toMatch(/hello[\s\S]*dataVersion = 0/);
    expect(await cli('ls', '/')).toMatch(/\[.*java.*\]/);
  });
});
