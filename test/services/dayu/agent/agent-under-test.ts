import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layoutOf } from '../../../../infra/cluster/layout.ts';
import { silentLogger } from '../../../../services/base/log.ts';
import type { RoleConfig } from '../../../../services/base/role.ts';
import { type RunningAgent, startDayuAgent } from '../../../../services/dayu/agent/server.ts';
import { packDirectory, uploadPackage } from '../../../../services/dayu/client.ts';
import { type Deployment, type Instance, packagePath } from '../../../../services/dayu/contract.ts';
import { type PanguCluster, startPanguCluster } from '../../../helpers/pangu-cluster.ts';

export const EXAMPLE = new URL('../../../../infra/examples/hello-service', import.meta.url).pathname;

/** What the example service tells of itself. */
export interface ServiceEvent {
  at: number;
  event: 'started' | 'listening' | 'stopping' | 'stopped';
  version: string;
  pid: number;
}

export interface AgentUnderTest {
  readonly cluster: PanguCluster;
  readonly config: RoleConfig;
  /** The one that runs in this process now. */
  agent: RunningAgent;
  readonly directory: string;
  /** A version of the example, in Pangu. `role` goes over its descriptor's. */
  version(version: string, changes?: VersionChanges): Promise<Deployment>;
  deploy(deployment: Deployment, options?: { healthyWithinMs?: number; signal?: AbortSignal }): Promise<Instance[]>;
  /** The instance's node in Nuwa, if it is there. */
  entry(role?: string): Promise<{ address: string; pid: number; attributes: Record<string, unknown> } | undefined>;
  events(): Promise<ServiceEvent[]>;
  stop(): Promise<void>;
}

export interface VersionChanges {
  role?: Record<string, unknown>;
  environment?: Record<string, string>;
  configuration?: Deployment['configuration'];
  files?: Record<string, string>;
}

export const never = new AbortController().signal;
export const control = { signal: never, heartbeat: () => {} };

/** An agent on node n1 of a real cluster, driven without the workflow engine. */
export async function startAgentUnderTest(options: { dataDir?: string } = {}): Promise<AgentUnderTest> {
  const cluster = await startPanguCluster({ nodes: [{ id: 'n1', rack: 'r1' }] });
  const directory = await mkdtemp(join(tmpdir(), 'feitian-test-dayu-'));
  const eventsFile = join(directory, 'events');
  // As it lies in the directory of a local cluster.
  const dataDir = options.dataDir ?? layoutOf(directory).dataOf('tubo', 'n1');
  const config: RoleConfig = {
    cluster: cluster.pangu.cluster,
    node: { id: 'n1', rack: 'r1' },
    dataDir,
    listen: 'tcp://127.0.0.1:0',
    nuwa: [cluster.nuwaAddress],
  };
  const test: AgentUnderTest = {
    cluster,
    config,
    directory,
    agent: await startDayuAgent(config, { log: silentLogger }),
    async version(version, { role = {}, environment = {}, configuration = { version: 0, values: {} }, files = {} } = {}) {
      const source = await mkdtemp(join(directory, 'source-'));
      await cp(EXAMPLE, source, { recursive: true });
      const descriptor = JSON.parse(await readFile(join(source, 'dayu.json'), 'utf8'));
      const { web } = descriptor.roles;
      const quick = { health: { ...web.health, intervalMs: 100 }, drainMs: 200, stopGraceMs: 3_000 };
      const variables = { EVENTS_FILE: eventsFile, ...environment };
      const changed = { ...descriptor, version, roles: { web: { ...web, ...quick, environment: variables, ...role } } };
      await writeFile(join(source, 'dayu.json'), JSON.stringify(changed));
      for (const [name, content] of Object.entries(files)) await writeFile(join(source, name), content);
      const packed = await packDirectory(source);
      await uploadPackage(cluster.pangu, packed);
      const { digest, bytes } = packed;
      return { release: { application: 'hello', version, digest, bytes, descriptor: packed.descriptor }, configuration };
    },
    deploy: (deployment, { healthyWithinMs = 15_000, signal = never } = {}) =>
      test.agent.deploy(deployment, { signal, heartbeat: () => {}, healthyWithinMs }),
    async entry(role = 'web') {
      try {
        return JSON.parse(Buffer.from((await cluster.cluster.nuwa.get(`/services/hello-${role}/n1`)).value).toString());
      } catch (error) {
        if ((error as { code?: string }).code === 'NoNode') return undefined;
        throw error;
      }
    },
    async events() {
      const text = await readFile(eventsFile, 'utf8').catch(() => '');
      return text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as ServiceEvent);
    },
    async stop() {
      await test.agent.remove('hello', control).catch(() => {});
      await test.agent.stop();
      await cluster.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
  return test;
}

/** What the instance in Nuwa answers to GET /. */
export async function ask(address: string): Promise<{ version: string; node: string; pid: number; greeting: string }> {
  const { port } = new URL(address);
  return await new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, agent: false }, async (response) => {
      let text = '';
      for await (const piece of response) text += piece;
      resolve(JSON.parse(text));
    }).on('error', reject);
  });
}

export const packageOf = ({ release }: Deployment): string => packagePath(release.digest);
