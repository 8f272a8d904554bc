import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { layoutOf } from '../../infra/cluster/layout.ts';
import { newNuwaServers, readNuwaServers, settledNuwaServers, writeNuwaServers } from '../../infra/cluster/nuwa-servers.ts';
import { shapeOf } from '../../infra/cluster/options.ts';
import { nuwaSpec, type PlanInput, placeSpec, placesOf } from '../../infra/cluster/plan.ts';

/** Free ports from 30000 on, in order. */
function portsFrom(first: number) {
  let next = first;
  return async (wanted: number | undefined): Promise<number> => wanted ?? next++;
}
const anyFree = async (): Promise<boolean> => true;
const allBut =
  (...busy: number[]) =>
  async (port: number): Promise<boolean> =>
    !busy.includes(port);

const THREE = [
  { id: 'nuwa-1', port: 1001, zookeeperPort: 2001 },
  { id: 'nuwa-2', port: 1002, zookeeperPort: 2002 },
  { id: 'nuwa-3', port: 1003, zookeeperPort: 2003 },
];

describe('the Nuwa servers of a new cluster', () => {
  test('are three, each with a port for calls and one for ZooKeeper', async () => {
    expect(await newNuwaServers({}, portsFrom(30_000))).toEqual([
      { id: 'nuwa-1', port: 30_000, zookeeperPort: 30_001 },
      { id: 'nuwa-2', port: 30_002, zookeeperPort: 30_003 },
      { id: 'nuwa-3', port: 30_004, zookeeperPort: 30_005 },
    ]);
  });

  test('are as many as wanted, the first at the ports that were asked for', async () => {
    expect(await newNuwaServers({ count: 1, port: 7, zookeeperPort: 2181 }, portsFrom(1))).toEqual([
      { id: 'nuwa-1', port: 7, zookeeperPort: 2181 },
    ]);
    expect(await newNuwaServers({ count: 5 }, portsFrom(1))).toHaveLength(5);
  });

  test.each([0, 2, 4, 6])('are never %d', (nuwaServers) => {
    expect(() => shapeOf({ nuwaServers: nuwaServers as 1 })).toThrow('nuwaServers: must be 1, 3 or 5');
  });
});

describe('the Nuwa servers of a cluster that was up before', () => {
  test('are written down and read again', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'feitian-nuwa-servers-'));
    const path = join(dir, 'nuwa.json');
    expect(await readNuwaServers(path)).toBeUndefined();
    writeNuwaServers(path, THREE);
    expect(await readNuwaServers(path)).toEqual(THREE);
    await rm(dir, { recursive: true });
  });

  test('keep their ports, however many are wanted now', async () => {
    expect(await settledNuwaServers(THREE, { count: 5 }, portsFrom(30_000), anyFree)).toEqual(THREE);
  });

  test('one moves whose port somebody else has by now, or that is wanted elsewhere', async () => {
    const [first, second, third] = THREE;
    expect(await settledNuwaServers(THREE, {}, portsFrom(30_000), allBut(1002, 2003))).toEqual([
      first,
      { ...second, port: 30_000 },
      { ...third, zookeeperPort: 30_001 },
    ]);
    expect((await settledNuwaServers(THREE, { port: 7 }, portsFrom(30_000), anyFree))[0]!.port).toBe(7);
  });

  test('but not most of them, which would not find each other', async () => {
    const settled = settledNuwaServers(THREE, {}, portsFrom(30_000), allBut(1001, 1003));
    await expect(settled).rejects.toThrow(/StartFailed: .*1001 \(nuwa-1\), 1003 \(nuwa-3\)/);
    const alone = await settledNuwaServers(THREE.slice(0, 1), {}, portsFrom(30_000), allBut(1001));
    expect(alone[0]!.port).toBe(30_000);
  });
});

describe('the plan of a cluster', () => {
  const shape = shapeOf({ nodes: 2 });
  const input: PlanInput = {
    layout: layoutOf('/cluster'),
    shape,
    nuwaServers: THREE,
    entry: { command: 'node', args: ['feitian'] },
    env: { PATH: '/bin' },
    security: new Map(
      ['nuwa/nuwa-1', 'nuwa/nuwa-2', 'nuwa/nuwa-3', 'pangu-master'].map((name) => [
        name,
        { identityFile: `/keys/${name}`, trustFile: '/keys/trust' },
      ]),
    ),
    ports: new Map([['pangu-master', 1100]]),
    temporalEnv: {},
  };

  test('tells each Nuwa server its name, the whole group, and where it speaks ZooKeeper', () => {
    expect(nuwaSpec(input, THREE[1]!)).toMatchObject({
      role: 'nuwa',
      instance: 'nuwa-2',
      args: ['feitian', 'run', 'nuwa'],
      log: '/cluster/logs/nuwa-2.log',
      env: {
        PATH: '/bin',
        FEITIAN_DATA: '/cluster/nuwa/nuwa-2',
        FEITIAN_LISTEN: 'tcp://127.0.0.1:1002',
        FEITIAN_NUWA_ID: 'nuwa-2',
        FEITIAN_NUWA_MEMBERS: 'nuwa-1=tcp://127.0.0.1:1001,nuwa-2=tcp://127.0.0.1:1002,nuwa-3=tcp://127.0.0.1:1003',
        FEITIAN_ZOOKEEPER: '127.0.0.1:2002',
      },
    });
  });

  test('tells every other role all Nuwa servers', () => {
    const { env } = placeSpec(input, { name: 'pangu-master', roles: ['pangu-master'] });
    expect(env.FEITIAN_NUWA).toBe('tcp://127.0.0.1:1001,tcp://127.0.0.1:1002,tcp://127.0.0.1:1003');
    expect(env).not.toHaveProperty('FEITIAN_NUWA_ID');
  });

  test('tells a chunk server its disks, with threads for each, and nobody else', () => {
    const node = { id: 'node-1', rack: 'rack-a' };
    const ports = new Map([
      ['pangu-chunk/node-1', 1],
      ['tubo/node-1', 2],
    ]);
    const security = new Map([...ports.keys()].map((name) => [name, { identityFile: '/k', trustFile: '/t' }]));
    const envOf = (role: 'pangu-chunk' | 'tubo', disks?: number | string[]) =>
      placeSpec({ ...input, ports, security, shape: { ...shape, disks } }, { name: role, roles: [role], node }).env;
    expect(envOf('pangu-chunk', 2)).toMatchObject({
      FEITIAN_DISKS: '/cluster/nodes/node-1/pangu-chunk/disk-1,/cluster/nodes/node-1/pangu-chunk/disk-2',
      UV_THREADPOOL_SIZE: '8',
    });
    expect(envOf('pangu-chunk', ['/mnt/a', '/mnt/b']).FEITIAN_DISKS).toBe('/mnt/a/node-1,/mnt/b/node-1');
    expect(envOf('pangu-chunk')).not.toHaveProperty('FEITIAN_DISKS');
    expect(envOf('tubo', 2)).not.toHaveProperty('FEITIAN_DISKS');
  });

  test('has a place for every role but Nuwa', () => {
    const roles = placesOf(shape).map(({ name, node }) => (node ? `${name} ${node.id}` : name));
    expect(roles).toContain('tubo node-2');
    expect(roles).toContain('pangu-master');
    expect(roles).not.toContain('nuwa');
  });

  test('has one for all masters and one for each node where roles share processes, and the authority on its own', () => {
    const places = placesOf({ ...shape, together: true, tls: true });
    expect(places.map(({ name, node }) => (node ? `${name} ${node.id}` : name))).toEqual([
      'masters',
      'zhongkui',
      ...shape.nodes.map(({ id }) => `node ${id}`),
    ]);
    const played = places.filter(({ node }) => !node || node.id === 'node-1').flatMap(({ roles }) => roles);
    expect(played.toSorted()).toEqual([...new Set(placesOf({ ...shape, tls: true }).flatMap(({ roles }) => roles))].toSorted());
  });
});
