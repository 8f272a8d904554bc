import { ApplicationFailure, Context } from '@temporalio/activity';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import type { Activities } from '../../activities/index.ts';
import { ensureTemporalCli } from '../../infra/setup/temporal.ts';
import { workflowBundle } from '../../infra/workflow-bundle.ts';
import { silentLogger } from '../../services/base/log.ts';
import { DAYU_SEARCH_ATTRIBUTES } from '../../services/dayu/contract.ts';
import {
  type AttemptResult,
  type BatchRequest,
  type BatchResult,
  type Container,
  FEITIAN_QUEUE,
  SEARCH_ATTRIBUTES,
  SIGNALS,
  tuboQueue,
} from '../../services/fuxi/contract.ts';
import type { PlannedJob } from '../../services/fuxi/core/planned-job.ts';

/**
 * The workflows against a real Temporal development server, with activities that are literals: FuxiMaster grants a fixed set of containers, one per
 * node, and each test says what a batch does.
 */
export interface Stage {
  environment: TestWorkflowEnvironment;
  nodes: string[];
}

export type RunBatch = (request: BatchRequest, signal: AbortSignal) => Promise<BatchResult> | BatchResult;

export interface StagePlay {
  plan: PlannedJob;
  runBatch: RunBatch;
  /** Containers by node. @default one on each */
  containers?: number;
  onExchange?: (words: Parameters<Activities['exchange']>[0]) => void;
}

export interface Trace {
  batches: BatchRequest[];
  published: Parameters<Activities['publishJob']>[0][];
  cleaned: string[];
  exchanges: Parameters<Activities['exchange']>[0][];
}

export async function play<T>(
  stage: Stage,
  { plan, runBatch, containers = 1, onExchange }: StagePlay,
  act: (trace: Trace) => Promise<T>,
): Promise<{ result: T; trace: Trace }> {
  const { environment, nodes } = stage;
  const trace: Trace = { batches: [], published: [], cleaned: [], exchanges: [] };
  const free: Container[] = nodes.flatMap((node) => Array.from({ length: containers }, (_, i) => ({ id: `${node}/${i}`, node })));
  const held = new Map<string, Container[]>();
  const granted = new Map<string, number>();
  let made = 0;

  const activities: Pick<Activities, 'planJob' | 'publishJob' | 'cleanupJob' | 'exchange'> = {
    planJob: async () => plan,
    publishJob: async (publication) => void trace.published.push(publication),
    cleanupJob: async ({ runId }) => void trace.cleaned.push(runId),
    exchange: async (words) => {
      trace.exchanges.push(words);
      onExchange?.(words);
      const key = words.taskRunId;
      const mine = held.get(key) ?? [];
      const keeps = mine.filter((container) => words.holding.some((other) => other.id === container.id));
      for (const container of mine) if (!keeps.includes(container)) free.push({ ...container, id: `${container.node}/again-${made++}` });
      const wanted = Math.max(0, words.want - keeps.length);
      const fitting = free.filter((container) => !words.avoid.includes(container.node)).slice(0, wanted);
      for (const container of fitting) free.splice(free.indexOf(container), 1);
      held.set(key, [...keeps, ...fitting]);
      if (fitting.length === 0) return {};
      const number = (granted.get(key) ?? 0) + 1;
      granted.set(key, number);
      await environment.client.workflow
        .getHandle(words.taskWorkflowId)
        .signal(SIGNALS.grant, { epoch: 'one', number, containers: fitting });
      return {};
    },
  };

  const bundle = await workflowBundle(silentLogger);
  const { nativeConnection: connection } = environment;
  const workers = await Promise.all([
    Worker.create({ connection, taskQueue: FEITIAN_QUEUE, workflowBundle: bundle, activities }),
    ...nodes.map((node) =>
      Worker.create({
        connection,
        taskQueue: tuboQueue(node),
        activities: {
          runBatch: async (request: BatchRequest): Promise<BatchResult> => {
            trace.batches.push(request);
            const beat = setInterval(() => Context.current().heartbeat({}), 500);
            try {
              const result = await runBatch(request, Context.current().cancellationSignal);
              const failed = result.results.find((attempt) => !attempt.ok);
              if (!failed || failed.ok) return result;
              throw ApplicationFailure.create({ nonRetryable: true, type: 'AttemptFailed', message: failed.message, details: [result] });
            } finally {
              clearInterval(beat);
            }
          },
        },
      }),
    ),
  ]);
  const running = workers.map((worker) => worker.run());
  try {
    return { result: await act(trace), trace };
  } finally {
    for (const worker of workers) worker.shutdown();
    await Promise.all(running);
  }
}

export async function openStage(nodes = ['node-1', 'node-2', 'node-3']): Promise<Stage> {
  await workflowBundle(silentLogger); // made once, kept for every play
  const { path } = await ensureTemporalCli();
  const environment = await TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'existing-path', path } } });
  await environment.connection.operatorService.addSearchAttributes({
    namespace: 'default',
    searchAttributes: Object.fromEntries(
      Object.entries({ ...SEARCH_ATTRIBUTES, ...DAYU_SEARCH_ATTRIBUTES }).map(([name, type]) => [name, type === 'INT' ? 3 : 2]),
    ),
  });
  return { environment, nodes };
}

/** Every attempt of a batch succeeds. */
export const succeed: RunBatch = ({ attempts }) => ({
  results: attempts.map(
    ({ instance, attempt }): AttemptResult => ({
      instance,
      attempt,
      ok: true,
      ms: 100,
      bytesIn: 10,
      bytesOut: 5,
      recordsIn: 2,
      recordsOut: 1,
    }),
  ),
});
