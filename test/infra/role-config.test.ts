import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { roleConfigs } from '../../infra/config.ts';

const env = {
  FEITIAN_CLUSTER: 'home',
  FEITIAN_NODE: 'node-7',
  FEITIAN_RACK: 'rack-c',
  FEITIAN_DATA: '/data',
  FEITIAN_LISTEN: '127.0.0.1:0',
  FEITIAN_NUWA: 'tcp://a:1,b:2',
  FEITIAN_DATABASE_URL: 'postgres://u@h/d',
  FEITIAN_CPU: '2.5',
  FEITIAN_MEMORY_MIB: '512',
  TEMPORAL_ADDRESS: 'there:7233',
  TEMPORAL_CONFIG_FILE: '/none',
  FEITIAN_INSECURE: 'on',
};

const INSECURE = { FEITIAN_INSECURE: 'on' };

describe('the config of a role', () => {
  test('says who it is and whom it trusts, or that it is insecure: nobody is so by oversight', async () => {
    const { FEITIAN_INSECURE: _, ...asked } = env;
    await expect(roleConfigs(['tubo'], {}, asked)).rejects.toThrow(/FEITIAN_IDENTITY\) and --trust \(FEITIAN_TRUST\) are needed/);
    const [config] = await roleConfigs(['tubo'], { identity: '/k/a.pem', trust: '/k/trust.json' }, asked);
    expect(config!.security).toEqual({ identityFile: '/k/a.pem', trustFile: '/k/trust.json' });
    expect((await roleConfigs(['tubo'], { insecure: true }, asked))[0]).not.toHaveProperty('security');
  });

  test('comes from the environment', async () => {
    expect(await roleConfigs(['tubo'], {}, env)).toEqual([
      {
        cluster: 'home',
        node: { id: 'node-7', rack: 'rack-c' },
        dataDir: '/data',
        metrics: '127.0.0.1:0',
        http: '127.0.0.1:0',
        listen: 'tcp://127.0.0.1:0',
        nuwa: ['tcp://a:1', 'tcp://b:2'],
        databaseUrl: 'postgres://u@h/d',
        temporal: { address: 'there:7233', namespace: 'default' },
        resources: { cpu: 2.5, memoryMiB: 512 },
      },
    ]);
  });

  test('and from flags, which win', async () => {
    const [config] = await roleConfigs(['tubo'], { node: 'other', nuwa: 'c:3', data: '/elsewhere' }, env);
    expect(config).toMatchObject({ node: { id: 'other' }, nuwa: ['tcp://c:3'], dataDir: '/elsewhere' });
  });

  test('gives a chunk server its disks, of the environment or one flag each, and nobody else', async () => {
    const configs = await roleConfigs(['pangu-chunk', 'tubo'], {}, { ...env, FEITIAN_DISKS: '/d/1, /d/2', FEITIAN_MACHINE: 'box-1' });
    expect(configs.map(({ disks }) => disks)).toEqual([['/d/1', '/d/2'], undefined]);
    expect(configs[0]!.node).toEqual({ id: 'node-7', rack: 'rack-c', machine: 'box-1' });
    expect((await roleConfigs(['pangu-chunk'], { disk: '/e' }, env))[0]!.disks).toEqual(['/e']);
  });

  test('gives each of several roles a directory of its own', async () => {
    const configs = await roleConfigs(['pangu-master', 'fuxi-master'], {}, env);
    expect(configs.map(({ dataDir }) => dataDir)).toEqual(['/data/pangu-master', '/data/fuxi-master']);
  });

  test('that can not be used is refused with every reason at once', async () => {
    const refused = roleConfigs(['nuwa'], {}, { FEITIAN_CLUSTER: 'My Cluster', FEITIAN_LISTEN: 'nowhere', FEITIAN_CPU: '-1' });
    await expect(refused).rejects.toThrow(/^BadConfig: .*FEITIAN_CLUSTER.*FEITIAN_DATA.*FEITIAN_LISTEN.*FEITIAN_CPU/);
  });

  test('names what a role can not do without', async () => {
    const bare = { FEITIAN_DATA: '/data', FEITIAN_INSECURE: 'on' };
    await expect(roleConfigs(['pangu-master', 'tubo'], {}, bare)).rejects.toThrow(
      /--node \(FEITIAN_NODE\) is needed by tubo; .*FEITIAN_DATABASE_URL\) is needed by pangu-master; TEMPORAL_ADDRESS is needed by tubo; .*FEITIAN_NUWA\) is needed by pangu-master, tubo/,
    );
    expect(await roleConfigs(['nuwa'], {}, bare)).toHaveLength(1);
  });

  test('of a Nuwa server says which one of which group it is', async () => {
    const settings = { FEITIAN_NUWA_ID: 'nuwa-2', FEITIAN_NUWA_MEMBERS: 'nuwa-1=tcp://a:1, nuwa-2=b:2', FEITIAN_ZOOKEEPER: '0.0.0.0:2181' };
    const [nuwa, worker] = await roleConfigs(['nuwa', 'worker'], {}, { ...env, ...settings });
    const members = [
      { id: 'nuwa-1', address: 'tcp://a:1' },
      { id: 'nuwa-2', address: 'tcp://b:2' },
    ];
    expect(nuwa!.nuwaServer).toEqual({ id: 'nuwa-2', members, zookeeper: '0.0.0.0:2181' });
    expect(worker).not.toHaveProperty('nuwaServer');
  });

  test('of a Nuwa server that is told no address of its own is the one at which its group looks for it', async () => {
    const flags = { data: '/d', nuwaId: 'a', nuwaMembers: 'a=tcp://h:7' };
    expect((await roleConfigs(['nuwa'], flags, INSECURE))[0]!.listen).toBe('tcp://h:7');
    expect((await roleConfigs(['nuwa'], { ...flags, listen: 'tcp://0.0.0.0:7' }, INSECURE))[0]!.listen).toBe('tcp://0.0.0.0:7');
  });

  test('of a Nuwa server may leave out the group: then it waits to be added, or is a group of its own', async () => {
    const [added] = await roleConfigs(['nuwa'], { data: '/d', nuwaId: 'nuwa-4' }, INSECURE);
    expect(added!.nuwaServer).toEqual({ id: 'nuwa-4', members: [] });
    const [alone] = await roleConfigs(['nuwa'], { data: '/d', listen: 'h:7', zookeeper: 'h:2181' }, INSECURE);
    expect(alone!.nuwaServer).toEqual({ id: 'nuwa-1', members: [{ id: 'nuwa-1', address: 'tcp://h:7' }], zookeeper: 'h:2181' });
    expect((await roleConfigs(['nuwa'], { data: '/d' }, INSECURE))[0]).not.toHaveProperty('nuwaServer');
  });

  test.each([
    [{ nuwaMembers: 'a=tcp://h:7' }, /--nuwa-id \(FEITIAN_NUWA_ID\) must say which/],
    [{ nuwaId: 'b', nuwaMembers: 'a=tcp://h:7' }, /must name b too/],
    [{ nuwaId: 'a', nuwaMembers: 'a=h:7,a=h:8' }, /names a server twice/],
    [{ nuwaId: 'a', nuwaMembers: 'h:7' }, /--nuwa-members \(FEITIAN_NUWA_MEMBERS\) must be/],
    [{ zookeeper: '2181' }, /--zookeeper \(FEITIAN_ZOOKEEPER\) must be host:port/],
  ])('of a Nuwa server that makes no sense is refused: %j', async (flags, reason) => {
    await expect(roleConfigs(['nuwa'], { data: '/d', ...flags }, INSECURE)).rejects.toThrow(reason);
  });

  test('can not give one port to two roles', async () => {
    await expect(roleConfigs(['nuwa', 'pangu-master'], { listen: 'tcp://h:99' }, env)).rejects.toThrow(/one role only/);
  });
});

describe('Temporal of the environment', () => {
  const temporal = async (settings: Record<string, string>, data = '/data') =>
    (await roleConfigs(['worker'], { data }, { ...env, ...settings }))[0]!.temporal;

  test('an API key goes over TLS', async () => {
    const settings = { TEMPORAL_API_KEY: 'key', TEMPORAL_NAMESPACE: 'mine' };
    expect(await temporal(settings)).toEqual({ address: 'there:7233', namespace: 'mine', apiKey: 'key', tls: true });
  });

  test('certificates are passed on as paths, those given as text too', async () => {
    const data = await mkdtemp(join(tmpdir(), 'feitian-config-'));
    const settings = {
      TEMPORAL_TLS_CLIENT_CERT_PATH: '/my/cert.pem',
      TEMPORAL_TLS_CLIENT_KEY_DATA: 'KEY',
      TEMPORAL_TLS_SERVER_NAME: 'name',
    };
    const keyFile = join(data, 'tls', 'client-key.pem');
    expect((await temporal(settings, data))!.tls).toEqual({ certFile: '/my/cert.pem', keyFile, caFile: undefined, serverName: 'name' });
    expect(await readFile(keyFile, 'utf8')).toBe('KEY');
    expect((await stat(keyFile)).mode & 0o077).toBe(0);
    await rm(data, { recursive: true });
  });
});
