import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { processRegistry } from '../../../../services/base/metrics.ts';
import { processStartTime } from '../../../../services/base/process.ts';
import { dayuAgentService } from '../../../../services/dayu/contract.ts';
import { type AgentUnderTest, ask, control, packageOf, startAgentUnderTest } from './agent-under-test.ts';

let node: AgentUnderTest;
beforeAll(async () => {
  node = await startAgentUnderTest();
});
afterAll(() => node?.stop());
beforeEach(() => node.agent.remove('hello', control));

const alive = async (pid: number): Promise<boolean> => (await processStartTime(pid)) !== undefined;
const releases = (): Promise<string[]> => readdir(join(node.config.dataDir, 'services/hello/releases'));

describe('a deployment', () => {
  test('runs, becomes healthy, and is found through Nuwa', async () => {
    const [instance] = await node.deploy(await node.version('1.0.0'));
    expect(instance).toMatchObject({ application: 'hello', role: 'web', node: 'n1', version: '1.0.0', state: 'healthy', restarts: 0 });
    const entry = (await node.entry())!;
    expect(entry).toMatchObject({
      address: `tcp://127.0.0.1:${instance!.ports.http}`,
      pid: instance!.pid,
      attributes: { application: 'hello', role: 'web', version: '1.0.0', port_http: instance!.ports.http },
    });
    expect(await ask(entry.address)).toMatchObject({ version: '1.0.0', node: 'n1', pid: instance!.pid });
  });

  test('given again while it runs and is healthy changes nothing', async () => {
    const deployment = await node.version('1.0.0');
    const first = await node.deploy(deployment);
    expect(await node.deploy(structuredClone(deployment))).toEqual(first);
  });

  test('sees a clean environment, the configuration over its own, and its ports', async () => {
    process.env.FEITIAN_SECRET = 'not for services';
    process.env.FEITIAN_LAUNCH_ID = 'launch';
    const file = join(node.directory, 'environment');
    const deployment = await node.version('1.0.0', {
      role: { command: ['sh', '-c', `env >${file}; pwd >>${file}; exec node server.mjs`], ports: { http: 0, admin_2: 0 } },
      environment: { GREETING: 'from the release', KEPT: 'yes', FEITIAN_LAUNCH_ID: 'hidden' },
      configuration: { version: 3, values: { GREETING: 'from the configuration' } },
    });
    const [instance] = await node.deploy(deployment);
    const lines = (await readFile(file, 'utf8')).split('\n');
    const { http, admin_2 } = instance!.ports;
    expect(lines).toEqual(
      expect.arrayContaining([
        'GREETING=from the configuration',
        'KEPT=yes',
        `PORT=${http}`,
        `PORT_HTTP=${http}`,
        `PORT_ADMIN_2=${admin_2}`,
        'FEITIAN_APPLICATION=hello',
        'FEITIAN_ROLE=web',
        'FEITIAN_VERSION=1.0.0',
        'FEITIAN_NODE=n1',
        'FEITIAN_CLUSTER=test',
        `FEITIAN_NUWA=${node.cluster.nuwaAddress}`,
        'FEITIAN_LAUNCH_ID=launch',
        join(node.config.dataDir, 'services/hello/releases', deployment.release.digest),
      ]),
    );
    expect(lines.filter((line) => line.includes('SECRET'))).toEqual([]);
    delete process.env.FEITIAN_SECRET;
    delete process.env.FEITIAN_LAUNCH_ID;
  });

  test('that is newer takes the older one out of Nuwa before it asks it to stop, and keeps the release for the way back', async () => {
    const one = await node.version('1.0.0');
    const two = await node.version('2.0.0');
    const [old] = await node.deploy(one);
    const { revision } = await node.cluster.cluster.nuwa.list('/services/hello-web');
    const outAt = (async () => {
      for await (const { kind } of node.cluster.cluster.nuwa.watch('/services/hello-web/n1', { afterRevision: revision }))
        if (kind === 'deleted') return Date.now();
      return 0;
    })();
    await node.deploy(two);
    const entry = (await node.entry())!;
    expect(await ask(entry.address)).toMatchObject({ version: '2.0.0' });
    expect(await alive(old!.pid!)).toBe(false);
    const told = (await node.events()).filter(({ pid }) => pid === old!.pid);
    expect(told.map(({ event }) => event)).toEqual(['started', 'listening', 'stopping', 'stopped']);
    // It was left to drain for 200 ms; the watch may hear of it a little late.
    expect(told.find(({ event }) => event === 'stopping')!.at - (await outAt)).toBeGreaterThan(50);
    expect((await releases()).sort()).toEqual([one.release.digest, two.release.digest].sort());

    await node.deploy(await node.version('3.0.0'));
    expect(await releases()).not.toContain(one.release.digest);
  });

  test('runs all roles of its application, and only those with a port are in Nuwa', async () => {
    const deployment = await node.version('1.0.0');
    const { web } = deployment.release.descriptor.roles;
    const worker = { ...web!, command: ['sleep', '1000'], ports: {}, health: { ...web!.health, http: undefined } };
    deployment.release.descriptor = { ...deployment.release.descriptor, roles: { web: web!, worker } };
    const instances = await node.deploy(deployment);
    expect(instances.map(({ role, state }) => [role, state])).toEqual([
      ['web', 'healthy'],
      ['worker', 'healthy'],
    ]);
    expect(await node.entry('worker')).toBeUndefined();
  });

  test('is ended by a removal, which leaves nothing of it but its logs and may come twice', async () => {
    const [instance] = await node.deploy(await node.version('1.0.0'));
    await node.agent.remove('hello', control);
    expect([await alive(instance!.pid!), await node.entry()]).toEqual([false, undefined]);
    expect((await readdir(join(node.config.dataDir, 'services/hello'))).sort()).toEqual(['logs', 'state.json']);
    await node.agent.remove('hello', control);
    await node.agent.remove('never-here', control);
  });
});

describe('a version that is no good', () => {
  test('fails with the end of its log when it crashes at its start, and the one before it can come back', async () => {
    const one = await node.version('1.0.0');
    await node.deploy(one);
    const failure = node.deploy(await node.version('3.0.0', { environment: { BEHAVIOUR: 'crash' } }));
    await expect(failure).rejects.toMatchObject({
      code: 'StartFailed',
      message: expect.stringMatching(
        /web of hello 3\.0\.0 on n1: ended with exit code 3\nits log ends with:\n.*\nthis version always crashes/,
      ),
      details: { version: '3.0.0', node: 'n1' },
    });
    expect(await node.entry()).toBeUndefined();
    expect(await node.deploy(one)).toMatchObject([{ version: '1.0.0', state: 'healthy' }]);
  });

  test('fails when it does not become healthy in time', async () => {
    const failure = node.deploy(await node.version('5.0.0', { environment: { BEHAVIOUR: 'never' } }), { healthyWithinMs: 1_000 });
    await expect(failure).rejects.toMatchObject({
      code: 'Unhealthy',
      message: expect.stringContaining('not healthy after 1000 ms: GET /healthz answered 503'),
    });
    expect(await node.entry()).toBeUndefined();
  });

  test('fails while it is watched when it sickens, and is taken out of Nuwa', async () => {
    const sick = { environment: { BEHAVIOUR: 'sicken', SICKEN_AFTER_MS: '1500' } };
    await node.deploy(await node.version('4.0.0', sick));
    const startedMs = performance.now();
    await expect(node.agent.observe('hello', { ...control, ms: 60_000 })).rejects.toMatchObject({
      code: 'Unhealthy',
      message: expect.stringContaining('web of hello 4.0.0 on n1: GET /healthz answered 503'),
    });
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    await expect.poll(() => node.entry()).toBeUndefined();
    const { instances } = await node.cluster.cluster.kuafu.service(dayuAgentService, 'nuwa://test/dayu-agent/n1').instances({});
    expect(instances).toMatchObject([{ state: 'unhealthy', message: expect.stringContaining('503') }]);
  });

  test('fails when a fixed port is taken, with the port', async () => {
    const taken = createServer().listen(0);
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as { port: number };
    const failure = node.deploy(await node.version('1.0.0', { role: { ports: { http: port } } }));
    await expect(failure).rejects.toMatchObject({ code: 'StartFailed', message: expect.stringContaining(`port ${port} (http) is taken`) });
    taken.close();
  });

  test.each([
    ['is not in Pangu', async (path: string) => node.cluster.pangu.unlink(path), 'is not in Pangu'],
    ['has other bytes', async (path: string) => void (await node.cluster.pangu.writeFile(path, 'not the same')), 'have another checksum'],
  ])('whose package %s is refused before anything is stopped', async (_, spoil, message) => {
    const [running] = await node.deploy(await node.version('1.0.0'));
    const bad = await node.version(`9.0.${message.length}`);
    await spoil(packageOf(bad));
    await expect(node.deploy(bad)).rejects.toMatchObject({ code: 'BadPackage', message: expect.stringContaining(message) });
    expect(await ask((await node.entry())!.address)).toMatchObject({ version: '1.0.0', pid: running!.pid });
  });
});

describe('an instance', () => {
  test('that ends by itself is started again, counted, and found again', async () => {
    const deployment = await node.version('1.0.0');
    const [first] = await node.deploy(deployment);
    process.kill(first!.pid!, 'SIGKILL');
    await expect.poll(async () => (await node.entry())?.pid, { timeout: 15_000 }).not.toBeOneOf([first!.pid, undefined]);
    const { instances } = await node.cluster.cluster.kuafu.service(dayuAgentService, 'nuwa://test/dayu-agent/n1').instances({});
    expect(instances).toMatchObject([{ state: 'healthy', restarts: 1 }]);
    const metrics = await processRegistry.metrics();
    expect(metrics).toContain('feitian_dayu_instances{application="hello",service="web",version="1.0.0",state="healthy"} 1');
    expect(metrics).toMatch(/feitian_dayu_restarts_total\{application="hello",service="web"\} [1-9]/);
    expect(metrics).toMatch(
      /feitian_dayu_deploy_duration_seconds_count\{outcome="failed",application="hello"\}|feitian_dayu_deploy_duration_seconds_count\{application="hello",outcome="failed"\}/,
    );
    // What it went through before does not count against an order that finds it well.
    expect(await node.deploy(deployment)).toEqual(instances);
  });

  test('is out of Nuwa while it is not well, and back when it is', async () => {
    const ill = join(node.directory, 'ill');
    const health = { command: ['sh', '-c', `test ! -e ${ill}`], intervalMs: 50, timeoutMs: 2_000, failuresMax: 2 };
    const [instance] = await node.deploy(await node.version('1.0.0', { role: { health } }));
    await writeFile(ill, '');
    await expect.poll(() => node.entry()).toBeUndefined();
    await rm(ill);
    await expect.poll(async () => (await node.entry())?.pid).toBe(instance!.pid);
  });

  test('that a connection can be made to is well', async () => {
    const health = { tcp: { port: 'http' }, intervalMs: 50 };
    expect(await node.deploy(await node.version('1.0.0', { role: { health } }))).toMatchObject([{ state: 'healthy' }]);
  });

  test('that does not end when asked to is killed after its grace, with all that it started', async () => {
    const file = join(node.directory, 'child');
    const stubborn = `trap '' TERM; sleep 1000 & echo $! >${file}; trap '' TERM; while :; do wait; done`;
    const role = { command: ['sh', '-c', stubborn], ports: {}, health: { command: ['test', '-s', file] }, stopGraceMs: 300 };
    const [instance] = await node.deploy(await node.version('1.0.0', { role }));
    const child = Number(await readFile(file, 'utf8'));
    await node.agent.remove('hello', control);
    expect([await alive(instance!.pid!), await alive(child)]).toEqual([false, false]);
  });

  test('can be watched, and its log read', async () => {
    await node.deploy(await node.version('1.0.0'));
    expect(await node.agent.observe('hello', { ...control, ms: 300 })).toMatchObject([{ state: 'healthy' }]);
    await expect(node.agent.observe('nothing', { ...control, ms: 300 })).rejects.toMatchObject({ code: 'Unhealthy' });
    const agent = node.cluster.cluster.kuafu.service(dayuAgentService, 'nuwa://test/dayu-agent/n1');
    const whole = await agent.log({ application: 'hello', role: 'web', offset: 0, length: 100_000 });
    expect(whole.attachment.toString()).toContain('"event":"listening"');
    expect(whole.body.totalBytes).toBe(whole.attachment.length);
    const part = await agent.log({ application: 'hello', role: 'web', offset: 5, length: 10 });
    expect(part.attachment).toEqual(whole.attachment.subarray(5, 15));
    const none = await agent.log({ application: 'hello', role: '../../../../etc/passwd', offset: 0, length: 10 });
    expect(none.body).toEqual({ totalBytes: 0 });
  });
});

describe('orders', () => {
  test('that make no sense are refused, and nothing is written', async () => {
    const deployment = await node.version('1.0.0');
    const release = { ...deployment.release, application: '../../elsewhere' };
    await expect(node.deploy({ ...deployment, release })).rejects.toMatchObject({
      code: 'InvalidDescriptor',
      details: { problems: [{ path: 'release.application' }] },
    });
    await expect(node.agent.remove('../../elsewhere', control)).rejects.toMatchObject({ code: 'UnknownApplication' });
  });

  test('of which a newer one comes end the older, and the newest is what runs', async () => {
    const versions = await Promise.all(['1.0.0', '2.0.0', '3.0.0'].map((version) => node.version(version)));
    const [one, two, three] = versions.map((version) => node.deploy(version));
    const outcomes = await Promise.allSettled([one!, two!, three!]);
    expect(outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason.code : outcome.status))).toEqual([
      'Superseded',
      'Superseded',
      'fulfilled',
    ]);
    expect(await ask((await node.entry())!.address)).toMatchObject({ version: '3.0.0' });
  });

  test('that are given up stop waiting at once, and the node goes on to what was ordered', async () => {
    const giveUp = new AbortController();
    const slow = await node.version('1.0.0', { role: { command: ['sh', '-c', 'sleep 1; exec node server.mjs'] } });
    const order = node.agent.deploy(slow, {
      signal: giveUp.signal,
      heartbeat: (doing) => doing.startsWith('waiting') && giveUp.abort(new Error('given up')),
      healthyWithinMs: 15_000,
    });
    await expect(order).rejects.toThrow('given up');
    await expect.poll(async () => (await node.entry())?.attributes.version, { timeout: 10_000 }).toBe('1.0.0');
  });
});
