import { createPrivateKey } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clusterInfoSchema } from '../../infra/cluster/cluster-file.ts';
import { attachCluster, type ClusterHandle, type Step, startCluster } from '../../infra/cluster/launch.ts';
import { layoutOf } from '../../infra/cluster/layout.ts';
import { clearPlaces, leftOf, newPlace, recordOf, START_MS_MAX } from './cluster-places.ts';
import { feitian } from './feitian.ts';

let dir: string;
let cluster: ClusterHandle;
const steps: Step[] = [];

beforeAll(async () => {
  dir = await newPlace();
  cluster = await startCluster({ dir, nodes: 2, nuwaServers: 3, attached: true, onStep: (step) => steps.push(step) });
}, START_MS_MAX);

afterAll(clearPlaces, START_MS_MAX);

const pidOf = async (role: string, node?: string): Promise<number> => {
  const { processes } = await cluster.refresh();
  return processes.find((process) => process.role === role && process.node === node)!.pid;
};

describe('a cluster that is up', () => {
  test('has told each step with its time', () => {
    expect(steps.map(({ step }) => step)).toEqual(
      expect.arrayContaining([
        'postgres',
        'temporal',
        'nuwa × 3',
        'database tables',
        'pangu-master',
        'fuxi-master',
        'worker',
        'shennong',
        'pangu-chunk × 2',
        'tubo × 2',
      ]),
    );
    expect(steps.every(({ ms }) => ms >= 0)).toBe(true);
  });

  test('describes itself in cluster.json, which only its owner may read', async () => {
    const { clusterFile, adminKey } = layoutOf(dir);
    const info = clusterInfoSchema.parse(JSON.parse(await readFile(clusterFile, 'utf8')));
    expect(info.name).toBe('local');
    expect(info.temporal.namespace).toBe('default');
    expect(info.nuwa.kuafu).toHaveLength(3);
    expect(info.nuwa.zookeeper).toHaveLength(3);
    for (const address of [...info.nuwa.kuafu, ...info.nuwa.zookeeper]) expect(address).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(info.nodes).toEqual([
      { id: 'node-1', rack: 'rack-a' },
      { id: 'node-2', rack: 'rack-b' },
    ]);
    const roles = info.processes.map(({ role, node, instance }) => [role, node, instance].filter(Boolean).join(' ')).sort();
    const several = ['nuwa nuwa-1', 'nuwa nuwa-2', 'nuwa nuwa-3', 'pangu-chunk node-1', 'pangu-chunk node-2', 'tubo node-1', 'tubo node-2'];
    expect(roles).toEqual([...several, 'dayu-master', 'fuxi-master', 'pangu-master', 'postgres', 'shennong', 'temporal', 'worker'].sort());
    for (const { pid, log } of info.processes) {
      expect(process.kill(pid, 0)).toBe(true);
      expect((await stat(log)).isFile()).toBe(true);
    }
    expect(info.admin.keyFile).toBe(adminKey);
    for (const path of [clusterFile, adminKey, layoutOf(dir).recordFile]) expect((await stat(path)).mode & 0o077).toBe(0);
    expect(createPrivateKey(await readFile(adminKey)).asymmetricKeyType).toBe('ed25519');
  });

  test('serves the Web UI, and knows the search attributes of jobs', async () => {
    expect((await fetch(cluster.info.temporal.ui!)).status).toBe(200);
    const { stdout } = await feitian(['status', '--dir', dir, '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ name: 'local', state: 'ready', nuwa: { leader: expect.stringMatching(/^nuwa-[123]$/) } });
  });

  test('is found by `up` in the same directory, with the same addresses', async () => {
    const { code, stdout } = await feitian(['up', '--dir', dir, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual(await cluster.refresh());
  });

  test('shows its processes in `status`', async () => {
    const { code, stdout } = await feitian(['status', '--dir', dir]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^tubo\s+node-2\s+\d+\s+ready/m);
    expect(stdout).toMatch(/^nuwa\s+nuwa-3\s+\d+\s+ready/m);
    expect(stdout).toMatch(/^Nuwa .*nuwa-\d leads in term \d+$/m);
  });
});

describe('what dies is started again', () => {
  test('a role, with a new pid in cluster.json', async () => {
    const pid = await pidOf('pangu-chunk', 'node-1');
    process.kill(pid, 'SIGKILL');
    const restarted = await cluster.awaitRestart('pangu-chunk', 'node-1', pid);
    expect(restarted).toMatchObject({ state: 'ready', restarts: 1 });
    expect(await pidOf('pangu-chunk', 'node-1')).toBe(restarted.pid);
    expect(restarted.pid).not.toBe(pid);
  });

  test('a Nuwa server by its name, at the same address, and the others go on without it', async () => {
    const { pid } = await cluster.kill('nuwa', 'nuwa-2');
    const [member] = cluster.info.nuwa.kuafu;
    const { code } = await feitian(['nuwa', 'ls', '--nuwa', member!, '--dir', dir]);
    expect(code).toBe(0);
    expect(await cluster.awaitRestart('nuwa', 'nuwa-2', pid!)).toMatchObject({
      instance: 'nuwa-2',
      state: 'ready',
      address: `tcp://${cluster.info.nuwa.kuafu[1]}`,
    });
  });

  test('Postgres, at the same address, with what it acknowledged', async () => {
    const sql = postgres(cluster.info.postgres.url, { max: 1, onnotice: () => {} });
    await sql`create table kept (what text)`;
    await sql`insert into kept values ('this')`;
    const { pid } = await cluster.kill('postgres');
    await cluster.awaitRestart('postgres', undefined, pid!);
    expect(await sql`select what from kept`).toEqual([{ what: 'this' }]);
    await sql.end();
  });

  test('Temporal, at the same address, with its workflows', async () => {
    const { temporal } = cluster.info;
    const { connectClient } = await import('../../infra/temporal/connect.ts');
    const client = await connectClient(temporal);
    const { workflowId } = await client.workflow.start('notAnyType', { taskQueue: 'nobody', workflowId: 'kept' });
    const { pid } = await cluster.kill('temporal');
    await cluster.awaitRestart('temporal', undefined, pid!);
    const again = await connectClient(temporal);
    expect((await again.workflow.getHandle(workflowId).describe()).status.name).toBe('RUNNING');
    await client.connection.close();
    await again.connection.close();
  });

  test('but not a node that is held, until it is released', async () => {
    const before = [await pidOf('tubo', 'node-2'), await pidOf('pangu-chunk', 'node-2')];
    await cluster.holdNode('node-2');
    const { processes } = await cluster.status();
    const held = processes.filter(({ node }) => node === 'node-2');
    expect(held.map(({ state }) => state)).toEqual(['held', 'held']);
    for (const pid of before) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    expect((await cluster.refresh()).processes.some(({ node }) => node === 'node-2')).toBe(false);

    await cluster.releaseNode('node-2');
    for (const pid of [await pidOf('tubo', 'node-2'), await pidOf('pangu-chunk', 'node-2')]) expect(process.kill(pid, 0)).toBe(true);
  });

  test('and what there is not is refused by name', async () => {
    await expect(cluster.kill('tubo', 'node-9')).rejects.toThrow(/UnknownProcess: .*tubo node-9/);
    await expect(cluster.holdNode('node-9')).rejects.toThrow(/UnknownNode: .*node-1, node-2/);
  });
});

test('`down` leaves no process, no port and no cluster.json', async () => {
  const record = await recordOf(dir);
  const { code, stdout } = await feitian(['down', '--dir', dir]);
  expect(stdout).toMatch(/^stopped after .*; no process and no port is left$/m);
  expect(code).toBe(0);
  expect(await leftOf(dir, record)).toEqual([]);
  expect((await feitian(['status', '--dir', dir])).code).toBe(1);
  await expect(attachCluster(dir)).rejects.toThrow('NotRunning');
  expect(await feitian(['down', '--dir', dir])).toMatchObject({ code: 0, stdout: `no cluster is up in ${dir}\n` });
}, 60_000);
