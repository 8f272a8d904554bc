import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { layoutOf } from '../../../../infra/cluster/layout.ts';
import { killContainers } from '../../../../infra/cluster/leftovers.ts';
import { silentLogger } from '../../../../services/base/log.ts';
import { killProcessGroup, processStartTime } from '../../../../services/base/process.ts';
import { findInstances } from '../../../../services/dayu/agent/leftovers.ts';
import { startDayuAgent } from '../../../../services/dayu/agent/server.ts';
import { type Deployment, dayuAgentService, type Instance } from '../../../../services/dayu/contract.ts';
import { type AgentUnderTest, ask, control, startAgentUnderTest } from './agent-under-test.ts';

let node: AgentUnderTest;
beforeAll(async () => {
  node = await startAgentUnderTest();
  await node.agent.stop(); // each test has its own
});
afterEach(async () => {
  await node.agent.stop();
  node.agent = await startDayuAgent(node.config, { log: silentLogger });
  await node.agent.remove('hello', control);
  await node.agent.stop();
});
afterAll(() => node?.stop());

const alive = async (pid: number): Promise<boolean> => (await processStartTime(pid)) !== undefined;
const stateFile = (): string => join(node.config.dataDir, 'services/hello/state.json');

async function instances(): Promise<Instance[]> {
  return (await node.cluster.cluster.kuafu.service(dayuAgentService, node.agent.address).instances({})).instances;
}

/** An agent in a process of its own, which runs the deployment when this resolves. */
async function agentProcess(deployment: Deployment): Promise<{ child: ChildProcess; running: Instance }> {
  const script = new URL('./run-agent.ts', import.meta.url).pathname;
  const args = ['--import', 'tsx', script, JSON.stringify(node.config), JSON.stringify(deployment)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
  return { child, running: (JSON.parse(line) as [Instance])[0] };
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

test('instances outlive an agent that is killed, and the next one adopts them without starting them again', async () => {
  const deployment = await node.version('1.0.0');
  const { child, running } = await agentProcess(deployment);
  await kill(child);
  const { port } = new URL((await node.entry())!.address);
  expect(await ask(`tcp://127.0.0.1:${port}`)).toMatchObject({ pid: running.pid });

  node.agent = await startDayuAgent(node.config, { log: silentLogger });
  expect(await instances()).toMatchObject([{ pid: running.pid, state: 'healthy', restarts: 0, startedAtMs: running.startedAtMs }]);
  await expect.poll(async () => (await node.entry())?.pid).toBe(running.pid);
  expect(await node.agent.observe('hello', { ...control, ms: 300 })).toMatchObject([{ pid: running.pid }]);
  expect(await node.deploy(deployment)).toMatchObject([{ pid: running.pid }]);
  expect((await node.events()).filter(({ event, pid }) => event === 'started' && pid === running.pid)).toHaveLength(1);

  // It is no child of this agent, and yet its end is seen.
  process.kill(running.pid!, 'SIGKILL');
  await expect.poll(async () => (await instances())[0], { timeout: 15_000 }).toMatchObject({ state: 'healthy', restarts: 1 });
  expect((await instances())[0]!.pid).not.toBe(running.pid);
});

test('an instance whose agent died before it wrote down the pid is found by its own note', async () => {
  const { child, running } = await agentProcess(await node.version('1.0.0'));
  await kill(child);
  const state = JSON.parse(await readFile(stateFile(), 'utf8'));
  const { pid, startTime, ...asBeforeTheStart } = state.instances.web;
  expect([pid, typeof startTime]).toEqual([running.pid, 'string']);
  state.instances.web = { ...asBeforeTheStart, healthy: false };
  await writeFile(stateFile(), JSON.stringify(state));
  expect(await findInstances(node.config.dataDir)).toEqual([{ pid, startTime }]);

  node.agent = await startDayuAgent(node.config, { log: silentLogger });
  await expect.poll(async () => (await instances())[0]).toMatchObject({ pid: running.pid, state: 'healthy' });
});

test('a launcher that ends a node for which no agent lives ends its instances', async () => {
  const { child, running } = await agentProcess(await node.version('1.0.0'));
  await kill(child);
  const layout = layoutOf(node.directory);
  await killContainers(layout, 'another');
  expect(await alive(running.pid!)).toBe(true);
  await killContainers(layout, 'n1');
  await expect.poll(() => alive(running.pid!)).toBe(false);
});

test('a note of a process that is long gone adopts nobody, and what is wanted is started', async () => {
  const { child, running } = await agentProcess(await node.version('1.0.0'));
  await kill(child);
  await killProcessGroup(running.pid!, (await processStartTime(running.pid!))!);
  const state = JSON.parse(await readFile(stateFile(), 'utf8'));
  // As if the number had been given to another process: this one.
  state.instances.web.pid = process.pid;
  await writeFile(stateFile(), JSON.stringify(state));
  await killContainers(layoutOf(node.directory), 'n1'); // does not end this process

  node.agent = await startDayuAgent(node.config, { log: silentLogger });
  // Whoever watches is not told of a failure that was the node's.
  const [seen] = await node.agent.observe('hello', { ...control, ms: 200 });
  expect(seen).toMatchObject({ state: 'healthy', restarts: 0 });
  expect([process.pid, running.pid]).not.toContain(seen!.pid);
});

test('what an instance left in its process group ends with it, also when it ended while no agent looked', async () => {
  const file = join(node.directory, 'child');
  const role = { command: ['sh', '-c', `sleep 1000 & echo $! >${file}; wait`], ports: {}, health: { command: ['test', '-s', file] } };
  const { child, running } = await agentProcess(await node.version('1.0.0', { role }));
  await kill(child);
  process.kill(running.pid!, 'SIGKILL');
  const left = Number(await readFile(file, 'utf8'));
  await expect.poll(() => alive(running.pid!)).toBe(false);
  expect(await alive(left)).toBe(true);
  node.agent = await startDayuAgent(node.config, { log: silentLogger });
  await expect.poll(() => alive(left)).toBe(false);
});

test('an agent that was killed between two versions goes on to the newer one', async () => {
  const two = await node.version('2.0.0');
  const { child, running } = await agentProcess(await node.version('1.0.0'));
  await kill(child);
  const state = JSON.parse(await readFile(stateFile(), 'utf8'));
  await writeFile(stateFile(), JSON.stringify({ ...state, desired: two }));
  // Its package was fetched before that was written.
  const { ensureRelease } = await import('../../../../services/dayu/agent/releases.ts');
  const { placesOf } = await import('../../../../services/dayu/agent/places.ts');
  await ensureRelease(node.cluster.pangu, placesOf(join(node.config.dataDir, 'services'), 'hello'), two.release, control.signal);

  node.agent = await startDayuAgent(node.config, { log: silentLogger });
  await expect.poll(async () => (await node.entry())?.attributes.version, { timeout: 15_000 }).toBe('2.0.0');
  expect(await alive(running.pid!)).toBe(false);
  const told = (await node.events()).filter(({ pid }) => pid === running.pid);
  expect(told.at(-1)).toMatchObject({ event: 'stopped' });
});

test('an agent that is stopped in good order stops its instances in time, and the next one runs them again', async () => {
  node.agent = await startDayuAgent(node.config, { log: silentLogger });
  const role = { drainMs: 60_000, stopGraceMs: 60_000 };
  const [slow] = await node.deploy(await node.version('1.0.0', { role }));
  const watching = node.agent.observe('hello', { ...control, ms: 60_000 });
  const watched = expect(watching).rejects.toThrow('the agent of n1 is stopping');
  const startedMs = performance.now();
  const stopping = node.agent.stop();
  await expect(node.agent.remove('hello', control)).rejects.toThrow('the agent of n1 is stopping');
  await stopping;
  await watched;
  expect(performance.now() - startedMs).toBeLessThan(7_000);
  expect([await alive(slow!.pid!), await node.entry(), await findInstances(node.config.dataDir)]).toEqual([false, undefined, []]);
  expect((await node.events()).at(-1)).toMatchObject({ event: 'stopped', pid: slow!.pid });

  node.agent = await startDayuAgent(node.config, { log: silentLogger });
  await expect.poll(async () => (await node.entry())?.attributes.version, { timeout: 10_000 }).toBe('1.0.0');
});

test('a state that cannot be understood costs its application only', async () => {
  await writeFile(stateFile(), '{');
  node.agent = await startDayuAgent(node.config, { log: silentLogger });
  expect(await instances()).toEqual([]);
  expect(await node.deploy(await node.version('1.0.0'))).toMatchObject([{ state: 'healthy' }]);
});
