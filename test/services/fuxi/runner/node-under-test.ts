import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { newId } from '../../../../services/base/ids.ts';
import { silentLogger } from '../../../../services/base/log.ts';
import {
  type AttemptResult,
  type BatchHeartbeat,
  type BatchRequest,
  type BatchResult,
  jobDirectory,
  type PartialSignal,
  type Program,
  type SplitsFile,
  type TaskInput,
  type TaskOutput,
  taskDirectory,
  type WorkflowPort,
} from '../../../../services/fuxi/contract.ts';
import { startTubo, type Tubo } from '../../../../services/fuxi/tubo/server.ts';
import type { PanguClient } from '../../../../services/pangu/contract.ts';
import { type PanguCluster, startPanguCluster } from '../../../helpers/pangu-cluster.ts';

/** A Tubo on node n1 of a real Pangu cluster, driven without the workflow engine. */
export interface NodeUnderTest {
  readonly cluster: PanguCluster;
  readonly pangu: PanguClient;
  readonly tubo: Tubo;
  readonly dataDir: string;
  /** What Tubo told workflows. */
  readonly told: { workflowId: string; name: string; payload: PartialSignal }[];
  /** While true, the workflow engine is away: signals cannot be sent. */
  engineAway: boolean;
  /** A job of its own: directories in Pangu, an id, a way to run its tasks. */
  job(): Promise<TestJob>;
  stop(): Promise<void>;
}

export interface TestJob {
  runId: string;
  /** The private directory of a task, made. */
  directory(task: string): Promise<string>;
  splits(file: SplitsFile): Promise<string>;
  request(batch: BatchSpec): BatchRequest;
  run(batch: BatchSpec): Promise<BatchResult>;
}

export interface BatchSpec {
  task: string;
  program: Program;
  input?: TaskInput;
  output?: TaskOutput;
  /** Instance numbers, or instances with their attempts. @default [0] */
  instances?: (number | { instance: number; attempt: number })[];
  /** @default one that all batches share, so that a test need not wait for a process to start */
  container?: string;
  /** @default that of the Tubo under test */
  node?: string;
  /** @default one that all batches without a package share */
  taskRunId?: string;
  package?: string;
  memoryMiB?: number;
  budgetMs?: number;
  signal?: AbortSignal;
  heartbeat?: (details: BatchHeartbeat) => void;
}

export async function startNodeUnderTest(options: { nodes?: { id: string; rack: string }[] } = {}): Promise<NodeUnderTest> {
  // Containers as they are in a cluster: compiled once, which starts them in a third of the time.
  const compile = (await import('../../../../infra/bin/compile.mjs' as string)) as { compiledMain(): Promise<string> };
  process.env.FEITIAN_BUILD = dirname(await compile.compiledMain());
  const cluster = await startPanguCluster(options);
  const dataDir = await mkdtemp(join(tmpdir(), 'feitian-test-tubo-'));
  const told: NodeUnderTest['told'] = [];
  const workflows: WorkflowPort = {
    async signal(workflowId, _runId, name, payload) {
      if (node.engineAway) throw new Error('the engine is away');
      told.push({ workflowId, name, payload: payload as PartialSignal });
      return 'sent';
    },
    listRunning: async () => [],
  };
  const tubo = await startTubo(tuboConfig(cluster, dataDir), { workflows, log: silentLogger });
  const { pangu } = cluster;
  const node: NodeUnderTest = {
    cluster,
    pangu,
    tubo,
    dataDir,
    told,
    engineAway: false,
    job: () => newJob(pangu, tubo),
    async stop() {
      await tubo.stop();
      await cluster.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
  return node;
}

export function tuboConfig(cluster: PanguCluster, dataDir: string) {
  return {
    cluster: cluster.pangu.cluster,
    node: { id: 'n1', rack: 'r1' },
    dataDir,
    listen: 'tcp://127.0.0.1:0',
    nuwa: [cluster.nuwaAddress],
    resources: { cpu: 4, memoryMiB: 2048 },
  };
}

async function newJob(pangu: PanguClient, tubo: Tubo): Promise<TestJob> {
  const runId = newId('run');
  await pangu.mkdir(jobDirectory(runId), { recursive: true });
  const request = (batch: BatchSpec): BatchRequest => ({
    job: { workflowId: 'job', runId, name: 'job', user: 'tester' },
    task: batch.task,
    taskWorkflowId: `job/${batch.task}`,
    taskRunId: batch.taskRunId ?? (batch.package === undefined ? 'shared' : newId('task')),
    batch: 1,
    container: { id: batch.container ?? 'shared', node: batch.node ?? tubo.node },
    resources: { cpu: 1, memoryMiB: batch.memoryMiB ?? 256, virtual: {} },
    program: batch.program,
    ...(batch.package === undefined ? {} : { package: batch.package }),
    input: batch.input ?? { kind: 'none' },
    output: batch.output ?? { kind: 'none' },
    attempts: (batch.instances ?? [0]).map((of) => ({ attempt: 1, backup: false, ...(typeof of === 'number' ? { instance: of } : of) })),
    budgetMs: batch.budgetMs ?? 60_000,
  });
  return {
    runId,
    async directory(task) {
      const directory = taskDirectory(runId, task);
      await pangu.mkdir(directory, { recursive: true });
      return directory;
    },
    async splits(file) {
      const path = `${jobDirectory(runId)}/${newId('splits')}.json`;
      await pangu.writeFile(path, JSON.stringify(file));
      return path;
    },
    request,
    run: (batch) =>
      tubo.runBatch(request(batch), { signal: batch.signal ?? new AbortController().signal, heartbeat: batch.heartbeat ?? (() => {}) }),
  };
}

export type Failed = AttemptResult & { ok: false };

/** The results of a batch in which all went well. */
export function okay({ results }: BatchResult): (AttemptResult & { ok: true })[] {
  return results.map((result) => {
    if (!result.ok) throw new Error(JSON.stringify(result));
    return result;
  });
}

/** The one failed attempt of a batch. */
export function failureOf({ results }: BatchResult): Failed {
  const [result] = results;
  if (results.length !== 1 || !result || result.ok) throw new Error(`one failed attempt was expected: ${JSON.stringify(results)}`);
  return result;
}
