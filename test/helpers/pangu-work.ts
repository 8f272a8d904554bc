import { Context } from '@temporalio/activity';
import { Worker } from '@temporalio/worker';
import type { Activities } from '../../activities/index.ts';
import { workflowBundle } from '../../infra/workflow-bundle.ts';
import { silentLogger } from '../../services/base/log.ts';
import { FEITIAN_QUEUE } from '../../services/fuxi/contract.ts';
import type { WorkPlan, WorkStep } from '../../services/pangu/work-contract.ts';
import type { Stage } from './fuxi-workflows.ts';

type WorkActivities = Pick<Activities, 'planWork' | 'claimRepair' | 'repairStep' | 'balanceStep' | 'drainStep' | 'setDraining'>;

export interface WorkTrace {
  /** `repair`, `balance`, `drain <node>`, `draining <node>`, `not draining <node>`, `claim`, `release`. */
  calls: string[];
  /** Of steps. */
  rates: (number | undefined)[];
  /** Steps that were told to stop before their time. */
  cutShort: number;
}

export interface WorkPlay {
  plan?: Partial<WorkPlan>;
  /** What each step does: the first one gets 1. It may wait for the signal, as a long one does. */
  onStep: (count: number, of: string, signal: AbortSignal) => Promise<Partial<WorkStep>> | Partial<WorkStep>;
  activities?: Partial<WorkActivities>;
}

/** The workflows of long work against a real Temporal development server, with activities that are literals. */
export async function playWork<T>(
  { environment }: Stage,
  { plan = {}, onStep, activities = {} }: WorkPlay,
  act: (trace: WorkTrace) => Promise<T>,
): Promise<{ result: T; trace: WorkTrace }> {
  const trace: WorkTrace = { calls: [], rates: [], cutShort: 0 };
  let count = 0;
  const step = async (of: string, bytesPerSecond: number | undefined): Promise<WorkStep> => {
    trace.calls.push(of);
    trace.rates.push(bytesPerSecond);
    const { cancellationSignal } = Context.current();
    const beat = setInterval(() => Context.current().heartbeat({}), 100);
    const did = await Promise.resolve(onStep(++count, of, cancellationSignal)).finally(() => clearInterval(beat));
    if (cancellationSignal.aborted) trace.cutShort++;
    return { replicas: 1, bytes: 100, replicasLeft: 1, bytesLeft: 100, done: false, waiting: '', ...did };
  };
  const literals: WorkActivities = {
    planWork: async ({ kind, nodes }) => ({
      kind,
      replicas: 3,
      bytes: 300,
      nodes: nodes.map((id) => ({ id, rack: 'r1', up: true, replicas: 3, bytes: 300, target: 0 })),
      byCopies: {},
      steps: ['one', 'two'],
      ...plan,
    }),
    claimRepair: async ({ forMs }) => void trace.calls.push(forMs === 0 ? 'release' : 'claim'),
    setDraining: async ({ node, draining }) => void trace.calls.push(`${draining ? '' : 'not '}draining ${node}`),
    repairStep: ({ bytesPerSecond }) => step('repair', bytesPerSecond),
    balanceStep: ({ bytesPerSecond }) => step('balance', bytesPerSecond),
    drainStep: ({ node, bytesPerSecond }) => step(`drain ${node}`, bytesPerSecond),
    ...activities,
  };
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue: FEITIAN_QUEUE,
    workflowBundle: await workflowBundle(silentLogger),
    activities: literals,
  });
  const running = worker.run();
  try {
    return { result: await act(trace), trace };
  } finally {
    worker.shutdown();
    await running;
  }
}

export function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve())));
}
