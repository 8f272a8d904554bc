import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { register } from '../../infra/cli/commands/rpc.ts';
import { silentLogger } from '../../services/base/log.ts';
import type { KuafuServer } from '../../services/kuafu/contract.ts';
import { serve } from '../../services/kuafu/server.ts';
import { joinCluster } from '../../services/nuwa/client.ts';
import { startNuwa } from '../../services/nuwa/server.ts';
import { EchoHandlers } from '../services/kuafu/echo.ts';
import { type Ran, runVerbs } from './cli-stage.ts';

let dir: string;
let server: KuafuServer;
let nuwa: Awaited<ReturnType<typeof startNuwa>>;
let member: Awaited<ReturnType<typeof joinCluster>>;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'feitian-test-rpc-'));
  nuwa = await startNuwa({ cluster: 'local', dataDir: join(dir, 'nuwa'), listen: 'tcp://127.0.0.1:0' }, { log: silentLogger });
  server = await serve({ guard: 'none', address: 'tcp://127.0.0.1:0', implementations: [new EchoHandlers().implementation()] });
  member = await joinCluster({ cluster: 'local', nuwa: [nuwa.address], creator: 'test' });
  await member.nuwa.register('echo', 'echo-1', { address: server.address });
  const info = {
    name: 'local',
    temporal: { address: '127.0.0.1:1', namespace: 'default' },
    postgres: { url: 'postgres://nobody' },
    nuwa: { kuafu: [nuwa.address.replace('tcp://', '')], zookeeper: [] },
    nodes: [],
    processes: [],
    admin: { keyFile: join(dir, 'admin.pem') },
  };
  await writeFile(join(dir, 'cluster.json'), JSON.stringify(info));
});
afterAll(async () => {
  await member.leave();
  await server.close();
  await nuwa.stop();
  await rm(dir, { recursive: true });
});

const rpc = (...args: string[]): Promise<Ran> => runVerbs([register], ['rpc', ...args, '--dir', dir]);
const here = (): string => server.address.replace('tcp://', '');

test('ls shows what a server offers, what is asked of who calls it, and what may be sent again', async () => {
  const { code, stdout } = await rpc('ls', here());
  expect(code).toBe(0);
  const rows = stdout.split('\n').map((line) => line.split(/ {2,}/));
  expect(rows[0]).toEqual(['method', 'kind', 'access', 'again']);
  expect(rows).toContainEqual(['echo.who', 'unary', 'nobody', 'yes']);
  expect(rows).toContainEqual(['kuafu.describe', 'unary', 'identified', 'yes']);
  expect(rows).toContainEqual(['kuafu.health', 'unary', 'open', 'yes']);
});

test('ls shows the schemas of one method', async () => {
  const { stdout } = await rpc('ls', here(), 'echo.echo');
  expect(JSON.parse(stdout)).toMatchObject({
    name: 'echo',
    request: { type: 'object', properties: { text: { type: 'string', maxLength: 100_000 }, times: { default: 1 } }, required: ['text'] },
    response: { properties: { text: { type: 'string' } } },
  });
  const { stdout: all } = await rpc('ls', here(), 'echo', '--json');
  expect(JSON.parse(all).services).toMatchObject([{ name: 'echo' }]);
  expect(await rpc('ls', here(), 'echo.nothing-such')).toMatchObject({ code: 2, stderr: expect.stringContaining('what is: echo, kuafu') });
});

test('call sends what it was given and prints the reply', async () => {
  expect(JSON.parse((await rpc('call', here(), 'echo.echo', '{"text": "ab", "times": 2}')).stdout)).toEqual({ text: 'abab' });
  expect(JSON.parse((await rpc('call', here(), 'echo.who')).stdout)).toEqual({ who: 'echo' });
  expect(JSON.parse((await rpc('call', here(), 'kuafu.health')).stdout)).toEqual({ services: { echo: 'serving', kuafu: 'serving' } });
});

test('call finds names of the cluster, of a service and of one instance', async () => {
  for (const address of ['nuwa://local/echo/', 'nuwa://local/echo/echo-1'])
    expect(JSON.parse((await rpc('call', address, 'echo.who')).stdout)).toEqual({ who: 'echo' });
});

test('call has bytes in base 64, both ways', async () => {
  const { stdout } = await rpc('call', here(), 'echo.blob', '{"bytes": {"$base64": "/wAK"}}');
  expect(JSON.parse(stdout)).toEqual({ bytes: { $base64: '/wAK' } });
});

test('call takes attachments from files and leaves them in files', async () => {
  const bytes = Buffer.from([0xff, 0, 1, 2, 3]);
  await writeFile(join(dir, 'in'), bytes);
  const args = ['call', here(), 'echo.mirror', '{"pieces": 2}', '--attachment', join(dir, 'in')];
  const { stdout, stderr } = await rpc(...args, '--out', join(dir, 'out'));
  expect({ reply: JSON.parse(stdout), stderr }).toEqual({ reply: { length: 5 }, stderr: '' });
  expect((await readFile(join(dir, 'out'))).equals(bytes)).toBe(true);
  expect((await rpc(...args)).stderr).toContain('an attachment of 5 bytes, --out');
});

test.each([
  [['echo.nothing-such'], 1, /^feitian: Unimplemented: service echo has no method nothing-such \(see what is there with: feitian rpc ls/],
  [['echo.echo', '{"text": 7}'], 1, /^feitian: InvalidRequest: echo.echo: text: /],
  [['echo.fail', '{"how": "typed"}'], 1, /^feitian: EchoError: NotToday: come back tomorrow/],
  [['echo.wait', '{"name": "a"}', '--timeout', '50ms'], 1, /^feitian: DeadlineExceeded: /],
  [['echo.echo', '{text'], 2, /^feitian: the request is no JSON: /],
  [['echo'], 2, /^feitian: echo is no method: name it <service>.<method>/],
  [['echo.who', '--timeout', 'soon'], 2, /^feitian: --timeout soon is not a time/],
  [['echo.mirror', '{"pieces": 1}', '--attachment', '/nowhere'], 1, /^feitian: \/nowhere is not there/],
])('call of %j ends with code %i and says why', async (args, code, stderr) => {
  expect(await rpc('call', here(), ...args)).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(stderr) });
});

test('nobody at the address is said to be so', async () => {
  expect(await rpc('ls', '127.0.0.1:1')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^feitian: Unavailable: .*127\.0\.0\.1:1/),
  });
});
