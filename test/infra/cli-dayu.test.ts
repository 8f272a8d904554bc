import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { register } from '../../infra/cli/commands/dayu.ts';
import { createWorkflowPort } from '../../infra/temporal/workflow-port.ts';
import { silentLogger } from '../../services/base/log.ts';
import {
  DAYU_AGENT_SERVICE,
  DAYU_MASTER_SERVICE,
  dayuAgentService,
  dayuMasterService,
  type Instance,
} from '../../services/dayu/contract.ts';
import { startDayuMaster } from '../../services/dayu/master/server.ts';
import { TUBO_SERVICE } from '../../services/fuxi/contract.ts';
import { implement, serve } from '../../services/kuafu/server.ts';
import { joinCluster } from '../../services/nuwa/client.ts';
import { failing, type Order, playRollout } from '../helpers/dayu-workflows.ts';
import { openStage as openWorkflowStage } from '../helpers/fuxi-workflows.ts';
import { openStage, type Ran, runVerbs } from './cli-stage.ts';

const LISTEN = 'tcp://127.0.0.1:0';
const NODES = { 'node-1': 'rack-a', 'node-2': 'rack-a', 'node-3': 'rack-b' };

describe('feitian dayu', () => {
  let dir: string;
  let packages: string;
  const instances = new Map<string, Instance>();
  const closing: (() => Promise<unknown>)[] = [];

  /** A node runs what it was told to; version 3 does not start anywhere. */
  const onOrder = ({ kind, node, version }: Order): void => {
    if (kind === 'remove') return void instances.delete(node);
    if (kind !== 'deploy') return;
    if (version === '3.0.0') throw failing('StartFailed', 'web exited with code 1: boom');
    instances.set(node, {
      application: 'hello',
      role: 'web',
      node,
      version: version!,
      state: 'healthy',
      ports: {},
      startedAtMs: 0,
      restarts: 0,
    });
  };

  let workflows: Awaited<ReturnType<typeof openWorkflowStage>>;
  beforeAll(async () => {
    // What workers log would stand among what the verbs print.
    Runtime.install({ logger: new DefaultLogger('ERROR', () => {}) });
    const stage = await openStage();
    closing.push(() => stage.stop());
    dir = stage.dir;
    const info = JSON.parse(await readFile(join(dir, 'cluster.json'), 'utf8'));
    const nuwa = info.nuwa.kuafu.map((address: string) => `tcp://${address}`);
    workflows = await openWorkflowStage(Object.keys(NODES));
    closing.push(() => workflows.environment.teardown());
    info.temporal = { address: workflows.environment.address, namespace: 'default', ui: 'http://ui' };
    await writeFile(join(dir, 'cluster.json'), JSON.stringify(info));

    const port = await createWorkflowPort(info.temporal);
    closing.push(() => port.close());
    const config = { cluster: 'local', dataDir: dir, listen: LISTEN, nuwa, databaseUrl: info.postgres.url };
    const role = await startDayuMaster(config, { workflows: port, log: silentLogger });
    closing.push(() => role.stop());
    const member = await joinCluster({ cluster: 'local', nuwa, creator: 'test' });
    closing.push(() => member.leave());
    for (const [node, rack] of Object.entries(NODES)) {
      const agent = implement(dayuAgentService, {
        instances: async () => ({ instances: [...instances.values()].filter((each) => each.node === node) }),
        log: async () => ({ body: { totalBytes: 0 }, attachment: Buffer.alloc(0) }),
      });
      const server = await serve({ guard: 'none', address: LISTEN, implementations: [agent] });
      closing.push(() => server.close());
      for (const service of [TUBO_SERVICE, DAYU_AGENT_SERVICE])
        await member.nuwa.register(service, node, { address: server.address, node, rack });
    }
    const master = member.kuafu.service(dayuMasterService, `nuwa://local/${DAYU_MASTER_SERVICE}/`);
    let over = (): void => {};
    const playing = playRollout(workflows, { master, onOrder }, () => new Promise<void>((resolve) => (over = resolve)));
    closing.push(() => {
      over();
      return playing;
    });

    packages = join(dir, 'packages');
    for (const version of ['1.0.0', '2.0.0', '3.0.0']) {
      await mkdir(join(packages, version), { recursive: true });
      await writeFile(
        join(packages, version, 'dayu.json'),
        JSON.stringify({ name: 'hello', version, roles: { web: { command: ['true'] } } }),
      );
    }
  });

  afterAll(async () => {
    for (const close of closing.reverse()) await close();
  });

  const dayu = (verb: string, ...args: string[]): Promise<Ran> => runVerbs([register], ['dayu', verb, '--dir', dir, ...args]);
  const quick = ['--bake', '1ms', '--user', 'alice'];

  test('pack registers a release, once', async () => {
    for (const version of ['1.0.0', '2.0.0', '3.0.0'])
      expect(await dayu('pack', join(packages, version))).toMatchObject({ code: 0, stderr: '' });
    const out = join(dir, 'hello.tgz');
    const again = await dayu('pack', join(packages, '1.0.0'), '--json', '--out', out);
    const told = JSON.parse(again.stdout);
    expect(told).toMatchObject({
      application: 'hello',
      version: '1.0.0',
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      created: false,
      out,
    });
    expect((await readFile(out)).length).toBe(told.bytes);
  });

  test('pack refuses a version with another content, and a directory that is no package', async () => {
    await writeFile(join(packages, '1.0.0', 'more.txt'), 'more');
    expect(await dayu('pack', join(packages, '1.0.0'))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('VersionExists: hello 1.0.0'),
    });
    expect(await dayu('pack', packages)).toMatchObject({ code: 1, stderr: expect.stringContaining('InvalidDescriptor') });
  });

  test('deploy starts a rollout, says where to look, and comes back when it is under way', async () => {
    const ran = await dayu('deploy', 'hello', '1.0.0', ...quick);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toMatch(/^rollout-hello-[0-9a-f]{6}\nhttp:\/\/ui\/namespaces\/default\/workflows\/rollout-hello-[0-9a-f]{6}\//);
    const watched = await dayu('watch', 'hello');
    expect(watched).toMatchObject({ code: 0, stdout: expect.stringMatching(/node-3 .*\(none\) → 1\.0\.0 {2}healthy\ndone: 3 nodes\n$/) });
    expect(watched.stderr).toMatch(/done, wave \d\/\d: {2}node-1 healthy {2}node-2 healthy {2}node-3 healthy\n$/);
  });

  test('deploy of what runs already changes nothing; a document from a file does the same as flags', async () => {
    const file = join(dir, 'rollout.json');
    await writeFile(file, JSON.stringify({ application: 'hello', version: '1.0.0', gate: { bakeMs: 0 } }));
    expect(await dayu('deploy', file, '--wait')).toMatchObject({ code: 0, stdout: expect.stringMatching(/unchanged: 3 nodes\n$/) });
  });

  test('--set makes a new configuration, which counts as a change', async () => {
    const ran = await dayu('deploy', 'hello', '1.0.0', ...quick, '--wait', '--set', 'GREETING=a=b', '--set', 'B=2', '--json');
    expect(JSON.parse(ran.stdout)).toMatchObject({ result: { outcome: 'done' }, progress: { nodes: { 'node-1': { state: 'healthy' } } } });
    expect((await dayu('configure', 'hello', 'B-')).stdout).toBe('configuration 2 of hello\nGREETING=a=b\n');
    expect(await dayu('configure', 'hello', '7=3')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('neither KEY=VALUE nor KEY-'),
    });
  });

  test('a version that does not start exits 1 with the reason, and status tells it', async () => {
    const ran = await dayu('deploy', 'hello', '3.0.0', ...quick, '--wait');
    expect(ran.code).toBe(1);
    expect(ran.stderr).toBe('feitian: RolledBack: hello 3.0.0 was rolled back: canary node-1: StartFailed: web exited with code 1: boom\n');
    const status = await dayu('status', 'hello');
    expect(status.stdout).toMatch(/3\.0\.0 by alice, rolledBack at .*\ncanary node-1: StartFailed: web exited with code 1: boom\n/);
    expect(status.stdout).toMatch(/node-1 {2}1\.0\.0 .* web {3}1\.0\.0 {2}healthy {2}rolled back: canary node-1/);
    expect(JSON.parse((await dayu('status', 'hello', '--json')).stdout)).toMatchObject({
      application: 'hello',
      rollout: { state: 'rolledBack' },
      instances: [{ node: 'node-1', version: '1.0.0' }, {}, {}],
      silent: [],
    });
    expect((await dayu('status')).stdout).toMatch(/hello +1\.0\.0 × 3 +3\.0\.0 +3\.0\.0 rolledBack/);
    expect(await dayu('watch', 'hello')).toMatchObject({ code: 1, stderr: expect.stringContaining('boom') });
  });

  test('what is refused is refused at once, with a sentence that helps', async () => {
    const refused = async (...args: string[]) => {
      const { code, stderr } = await dayu('deploy', ...args);
      return `${code} ${stderr.trim()}`;
    };
    expect(await refused('hello', '9.0.0')).toBe('1 feitian: UnknownVersion: hello has no version 9.0.0; there are 3.0.0, 2.0.0, 1.0.0');
    expect(await refused('nothing', '1.0.0')).toMatch(/^1 feitian: UnknownApplication: there is no application nothing/);
    expect(await refused('hello', '2.0.0', '--nodes', 'node-1,node-7')).toMatch(
      /^1 feitian: UnknownNode: node-7 is not there; there are node-1,/,
    );
    expect(await refused('hello', '2.0.0', '--wave-size', '-1', '--on-failure', 'cry')).toMatch(
      /^2 feitian: InvalidRollout: .*2 problems\n.*waveSize: .*\n.*onFailure: /,
    );
    expect(await refused('hello', '2.0.0', '--bake', 'soon')).toMatch(/^2/);
    expect(await refused(join(dir, 'none.json'))).toMatch(/^2 .*is not there; give an application and a version/);
  });

  test('a rollout waits for approval, is told of by status, pauses, goes on; a second one is refused', async () => {
    expect((await dayu('deploy', 'hello', '2.0.0', ...quick, '--approval')).code).toBe(0);
    await expect.poll(async () => (await dayu('status', 'hello')).stdout, { timeout: 20_000 }).toMatch(/waiting, wave 1\/3\n/);
    expect(await dayu('deploy', 'hello', '1.0.0', ...quick)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('RolloutInProgress: rollout-hello-'),
    });
    expect(await dayu('resume', 'hello')).toMatchObject({ code: 1, stderr: expect.stringContaining('the rollout is not paused') });
    expect(await dayu('pause', 'hello')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^rollout-hello-\w+: pause\n$/) });
    expect((await dayu('approve', 'hello')).code).toBe(0);
    expect((await dayu('resume', 'hello')).code).toBe(0);
    expect((await dayu('watch', 'hello')).stdout).toContain('done: 3 nodes');
    expect(await dayu('pause', 'hello')).toMatchObject({ code: 1, stderr: expect.stringContaining('no rollout of hello is under way') });
  });

  test('rollback takes the one under way back, and else goes to the version before', async () => {
    expect((await dayu('rollback', 'hello', '--wait', '--user', 'bob')).stdout).toMatch(/node-1 .*2\.0\.0 → 1\.0\.0 .*\ndone: 3 nodes\n$/s);
    await dayu('deploy', 'hello', '2.0.0', ...quick, '--approval');
    await expect.poll(async () => (await dayu('status', 'hello')).stdout, { timeout: 20_000 }).toMatch(/waiting, wave 1\/3\n/);
    expect((await dayu('rollback', 'hello')).stdout).toMatch(/: rollback\n$/);
    expect(await dayu('watch', 'hello')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/rolledBack: 3 nodes \(rolled back on request\)\n$/),
    });
    await dayu('deploy', 'hello', '2.0.0', ...quick, '--approval');
    await expect.poll(async () => (await dayu('status', 'hello')).stdout, { timeout: 20_000 }).toMatch(/waiting, wave 1\/3\n/);
    expect((await dayu('abort', 'hello')).code).toBe(0);
    expect((await dayu('watch', 'hello')).stdout).toMatch(/aborted: 3 nodes/);
    // Half way up: back to what went well last.
    expect((await dayu('rollback', 'hello', '--wait')).stdout).toMatch(/node-1 .*2\.0\.0 → 1\.0\.0 .*\ndone: 3 nodes\n$/s);
  });

  test('a rollout whose workflow was terminated is told of as ended, and rollback goes back all the same', async () => {
    await dayu('deploy', 'hello', '2.0.0', ...quick, '--approval', '--id', 'cut-off');
    await expect.poll(async () => (await dayu('status', 'hello')).stdout, { timeout: 20_000 }).toMatch(/waiting, wave 1\/3\n/);
    await workflows.environment.client.workflow.getHandle('cut-off').terminate('for the test');
    expect((await dayu('status', 'hello')).stdout).toContain('its workflow has ended all the same: terminated');
    expect(await dayu('pause', 'hello')).toMatchObject({ code: 1, stderr: expect.stringContaining('was ended from outside') });
    expect((await dayu('rollback', 'hello', '--wait')).stdout).toMatch(/node-1 .*2\.0\.0 → 1\.0\.0 .*\ndone: 3 nodes\n$/s);
  });

  test('history tells all of it, newest first', async () => {
    const { stdout } = await dayu('history', 'hello', '--limit', '200');
    expect(stdout).toMatch(/^time +kind +what happened\n/);
    expect(stdout).toMatch(/rollout of 3\.0\.0 ended: rolledBack: canary node-1: StartFailed/);
    expect(stdout).toMatch(/configuration 1 by alice: sets B, GREETING/);
    expect(stdout.trimEnd().split('\n').at(-1)).toContain('1.0.0 was registered');
    expect(JSON.parse((await dayu('history', 'hello', '--limit', '2', '--json')).stdout)).toHaveLength(2);
  });
});
