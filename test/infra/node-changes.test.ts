import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ClusterHandle, startCluster } from '../../infra/cluster/launch.ts';
import { layoutOf } from '../../infra/cluster/layout.ts';
import { isFree } from '../../infra/cluster/ports.ts';
import { processStartTime } from '../../services/base/process.ts';
import { clearPlaces, newPlace, recordOf, START_MS_MAX } from './cluster-places.ts';

let dir: string;
let cluster: ClusterHandle;

beforeAll(async () => {
  dir = await newPlace();
  cluster = await startCluster({ dir, nodes: 2, nuwaServers: 1, attached: true });
}, START_MS_MAX);
afterAll(clearPlaces, START_MS_MAX);

const processesOf = async (node: string) => (await cluster.status()).processes.filter((process) => process.node === node);
const nodesNow = async (): Promise<string[]> => (await cluster.refresh()).nodes.map(({ id, rack }) => `${id} ${rack}`);
const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1));

describe('a node that comes', () => {
  test('has every role of a node, ready, in cluster.json and in the launcher’s notes', async () => {
    await cluster.addNode('node-3', 'rack-c');
    const processes = await processesOf('node-3');
    expect(processes.map(({ role, state }) => `${role} ${state}`).sort()).toEqual(['pangu-chunk ready', 'tubo ready']);
    expect(await nodesNow()).toEqual(['node-1 rack-a', 'node-2 rack-b', 'node-3 rack-c']);
    const { processes: told } = await cluster.refresh();
    expect(
      told
        .filter(({ node }) => node === 'node-3')
        .map(({ pid }) => pid)
        .sort(),
    ).toEqual(processes.map(({ pid }) => pid).sort());
    const record = await recordOf(dir);
    expect(record.processes.map(({ name }) => name)).toEqual(expect.arrayContaining(['tubo/node-3', 'pangu-chunk/node-3']));
    for (const { address } of processes) expect(record.ports).toContain(portOf(address!));
  });

  test('is supervised like those before it', async () => {
    const { pid } = await cluster.kill('tubo', 'node-3');
    expect((await cluster.awaitRestart('tubo', 'node-3', pid!)).state).toBe('ready');
  });

  test('may be asked for twice, also at the same time, but not in another rack', async () => {
    const before = (await processesOf('node-3')).map(({ pid }) => pid);
    await Promise.all([cluster.addNode('node-3', 'rack-c'), cluster.addNode('node-3', 'rack-c')]);
    expect((await processesOf('node-3')).map(({ pid }) => pid)).toEqual(before);
    await expect(cluster.addNode('node-3', 'rack-a')).rejects.toMatchObject({
      code: 'BadConfig',
      message: expect.stringContaining('rack-c'),
    });
  });

  test('must have a name that can be a name', async () => {
    await expect(cluster.addNode('../node', 'rack-a')).rejects.toMatchObject({ code: 'BadConfig' });
    expect(await nodesNow()).toHaveLength(3);
  });

  test('leaves nothing when it cannot start', async () => {
    // A file where its log is to be a file, but is a directory.
    await mkdir(layoutOf(dir).logOf('tubo', 'node-9'), { recursive: true });
    await expect(cluster.addNode('node-9', 'rack-a')).rejects.toMatchObject({ code: 'StartFailed' });
    expect(await nodesNow()).toHaveLength(3);
    expect(await processesOf('node-9')).toEqual([]);
    expect(existsSync(layoutOf(dir).nodeDirectory('node-9'))).toBe(false);
  });
});

describe('a node that goes', () => {
  test('has ended with all its processes, and its ports are free', async () => {
    const processes = await processesOf('node-2');
    await cluster.removeNode('node-2');
    for (const { pid, address } of processes) {
      expect(await processStartTime(pid!)).toBeUndefined();
      expect(await isFree(portOf(address!))).toBe(true);
    }
    expect(await processesOf('node-2')).toEqual([]);
    expect(await nodesNow()).toEqual(['node-1 rack-a', 'node-3 rack-c']);
    const record = await recordOf(dir);
    expect(record.processes.some(({ name }) => name.endsWith('/node-2'))).toBe(false);
    for (const { address } of processes) expect(record.ports).not.toContain(portOf(address!));
  });

  test('keeps its directory until it is told that it may go, and none of its name comes before that', async () => {
    const directory = layoutOf(dir).nodeDirectory('node-2');
    expect(existsSync(directory)).toBe(true);
    await expect(cluster.addNode('node-2', 'rack-b')).rejects.toMatchObject({
      code: 'BadConfig',
      message: expect.stringContaining(directory),
    });
    await cluster.removeNode('node-2', { deleteData: true });
    expect(existsSync(directory)).toBe(false);
  });

  test('may be asked to go twice', async () => {
    await cluster.removeNode('node-2', { deleteData: true });
    await cluster.removeNode('node-7');
    expect(await nodesNow()).toHaveLength(2);
  });
});

test(
  'nodes that came and went are remembered by the next launcher',
  async () => {
    await cluster.stop();
    cluster = await startCluster({ dir, nodes: 2, nuwaServers: 1, together: true, attached: true });
    expect(await nodesNow()).toEqual(['node-1 rack-a', 'node-3 rack-c']);
    expect((await processesOf('node-3')).map(({ role, state }) => `${role} ${state}`)).toEqual(['node ready']);
  },
  START_MS_MAX,
);

test('the last node of a cluster stays', async () => {
  await cluster.removeNode('node-1', { deleteData: true });
  await expect(cluster.removeNode('node-3')).rejects.toMatchObject({ code: 'BadConfig', message: expect.stringContaining('last node') });
  expect((await processesOf('node-3')).every(({ state }) => state === 'ready')).toBe(true);
});
