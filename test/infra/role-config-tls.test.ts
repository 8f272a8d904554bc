import { describe, expect, test } from 'vitest';
import { roleConfigs } from '../../infra/config.ts';
import type { RoleName } from '../../infra/roles.ts';

const KEYS = { FEITIAN_DATA: '/d', FEITIAN_IDENTITY: '/k/a.pem', FEITIAN_TRUST: '/k/trust.json' };
const CERTIFIED = { ...KEYS, FEITIAN_TLS_CERTIFICATE: '/m/machine.crt', FEITIAN_TLS_KEY: '/m/machine.key' };
const INSECURE = { ...CERTIFIED, FEITIAN_INSECURE: 'on' };

const configOf = async (env: Record<string, string>, role: RoleName = 'nuwa') => (await roleConfigs([role], {}, env))[0]!;

describe('a role that has a certificate', () => {
  test('listens and calls by TLS where no scheme is given', async () => {
    const config = await configOf({ ...CERTIFIED, FEITIAN_NUWA: 'a:1,tcp://b:2', FEITIAN_NODE: 'n1' }, 'pangu-chunk');
    expect(config).toMatchObject({ listen: 'tls://127.0.0.1:0', nuwa: ['tls://a:1', 'tcp://b:2'] });
    expect(config.security).toMatchObject({ tls: { certificateFile: '/m/machine.crt', keyFile: '/m/machine.key' } });
    const member = await configOf({ ...CERTIFIED, FEITIAN_NUWA_ID: 'a', FEITIAN_NUWA_MEMBERS: 'a=h:7,b=tls://i:7' });
    expect(member.listen).toBe('tls://h:7');
    expect(member.nuwaServer!.members.map(({ address }) => address)).toEqual(['tls://h:7', 'tls://i:7']);
    expect((await configOf({ ...CERTIFIED, FEITIAN_ZOOKEEPER: 'h:2181' })).nuwaServer!.members[0]!.address).toBe('tls://127.0.0.1:0');
  });

  test.each(['tcp://10.0.0.1:7', 'tcp://0.0.0.0:0', 'tcp://127.0.0.1.example:7', 'tcp://[::]:7'])(
    'answers nobody in plain on a network: %s',
    async (listen) => {
      await expect(configOf({ ...CERTIFIED, FEITIAN_LISTEN: listen })).rejects.toThrow(
        `${listen} would be answered in plain: who has a certificate listens at ${listen.replace('tcp', 'tls')}`,
      );
    },
  );

  test('nor names a plain address to its group', async () => {
    const env = { ...CERTIFIED, FEITIAN_NUWA_ID: 'a', FEITIAN_NUWA_MEMBERS: 'a=tcp://h:7', FEITIAN_LISTEN: 'tls://0.0.0.0:7' };
    await expect(configOf(env)).rejects.toThrow('tcp://h:7 would be answered in plain');
  });

  test.each(['tcp://127.0.0.1:0', 'tcp://127.1.2.3:7', 'tcp://[::1]:7', 'tcp://localhost:7'])(
    'may answer its own machine in plain: %s',
    async (listen) => {
      expect((await configOf({ ...CERTIFIED, FEITIAN_LISTEN: listen })).listen).toBe(listen);
    },
  );

  test('answers by TLS as the authority too, whom machines ask that have no certificate yet', async () => {
    const env = { ...CERTIFIED, FEITIAN_NUWA: 'a:1' };
    expect((await configOf({ ...env, FEITIAN_LISTEN: '10.0.0.1:20700' }, 'zhongkui')).listen).toBe('tls://10.0.0.1:20700');
    await expect(configOf({ ...env, FEITIAN_LISTEN: 'tcp://10.0.0.1:20700' }, 'zhongkui')).rejects.toThrow('would be answered in plain');
  });
});

test('the authority plays alone', async () => {
  const env = { ...KEYS, FEITIAN_NUWA: 'a:1', FEITIAN_DATABASE_URL: 'postgres://h/d' };
  await expect(roleConfigs(['zhongkui', 'pangu-master'], {}, env)).rejects.toThrow('zhongkui plays alone');
});

test('a certificate and its key belong together', async () => {
  const { FEITIAN_TLS_KEY: _, ...half } = CERTIFIED;
  await expect(configOf(half)).rejects.toThrow(
    /--tls-certificate \(FEITIAN_TLS_CERTIFICATE\) and --tls-key \(FEITIAN_TLS_KEY\) belong together/,
  );
});

test.each([
  { FEITIAN_LISTEN: 'tls://127.0.0.1:0' },
  { FEITIAN_NUWA: 'tls://a:1' },
  { FEITIAN_NUWA_ID: 'a', FEITIAN_NUWA_MEMBERS: 'a=tls://h:7', FEITIAN_LISTEN: 'tcp://h:7' },
] as Record<string, string>[])('who has no certificate can neither listen nor call by TLS: %j', async (env) => {
  await expect(configOf({ ...KEYS, ...env })).rejects.toThrow(/needs --tls-certificate \(FEITIAN_TLS_CERTIFICATE\).*feitian key join/);
});

test('who was told to be insecure has no certificate either', async () => {
  const config = await configOf({ ...INSECURE, FEITIAN_LISTEN: 'tcp://10.0.0.1:7' });
  expect(config.listen).toBe('tcp://10.0.0.1:7');
  expect(config).not.toHaveProperty('security');
  await expect(configOf({ ...INSECURE, FEITIAN_LISTEN: 'tls://10.0.0.1:7' })).rejects.toThrow(/needs --tls-certificate/);
  const restored = await configOf({
    FEITIAN_DATA: '/d',
    FEITIAN_INSECURE: 'on',
    FEITIAN_NUWA_ID: 'a',
    FEITIAN_NUWA_MEMBERS: 'a=tls://h:7',
  });
  expect(restored.nuwaServer!.members).toEqual([{ id: 'a', address: 'tls://h:7' }]);
});
