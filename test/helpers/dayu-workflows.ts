import { ApplicationFailure, Context } from '@temporalio/activity';
import { Worker } from '@temporalio/worker';
import { createBeginRollout } from '../../activities/dayu/begin-rollout.ts';
import { createEndRollout } from '../../activities/dayu/end-rollout.ts';
import { createPlace, type PlaceRequest } from '../../activities/dayu/place.ts';
import type { DayuServices } from '../../activities/dayu/services.ts';
import type { Activities, NodeActivities } from '../../activities/index.ts';
import { workflowBundle } from '../../infra/workflow-bundle.ts';
import { silentLogger } from '../../services/base/log.ts';
import type { DayuCode, Deployment, PlanFacts, RolloutState } from '../../services/dayu/contract.ts';
import { FEITIAN_QUEUE, tuboQueue } from '../../services/fuxi/contract.ts';
import type { Stage } from './fuxi-workflows.ts';

/**
 * `dayuRollout` against a real Temporal development server, with activities that are literals: a master that gives the facts it was told to, and agents of
 * which each test says what a deployment or an observation does.
 */
export interface Order {
  kind: 'deploy' | 'remove' | 'observe';
  node: string;
  version?: string;
}

export interface RolloutPlay {
  /** What the master answers when it is one of literals. */
  facts?: PlanFacts;
  /** Throws, or waits, to make an order fail or take its time. */
  onOrder?: (order: Order, signal: AbortSignal) => Promise<void> | void;
  begin?: Activities['beginRollout'];
  /** A master of its own, instead of literals. */
  master?: DayuServices['dayuMaster'];
}

export interface RolloutTrace {
  orders: Order[];
  placed: PlaceRequest[];
  ended: { state: RolloutState; reason: string }[];
  /** Most nodes that were being deployed to, or taken back, at one time. */
  busiest: number;
}

export async function playRollout<T>(
  { environment, nodes }: Stage,
  { facts, onOrder, begin, master }: RolloutPlay,
  act: (trace: RolloutTrace) => Promise<T>,
): Promise<{ result: T; trace: RolloutTrace }> {
  const trace: RolloutTrace = { orders: [], placed: [], ended: [], busiest: 0 };
  const activities: Pick<Activities, 'beginRollout' | 'place' | 'endRollout'> = master
    ? {
        beginRollout: createBeginRollout({ dayuMaster: master }),
        place: createPlace({ dayuMaster: master }),
        endRollout: createEndRollout({ dayuMaster: master }),
      }
    : {
        beginRollout: begin ?? (async () => facts!),
        place: async (request) => void trace.placed.push(request),
        endRollout: async (request) => void trace.ended.push(request),
      };
  let busy = 0;
  const carryOut = async (order: Order): Promise<[]> => {
    trace.orders.push(order);
    const changes = order.kind !== 'observe';
    if (changes) trace.busiest = Math.max(trace.busiest, ++busy);
    const beat = setInterval(() => Context.current().heartbeat({}), 500);
    try {
      await onOrder?.(order, Context.current().cancellationSignal);
      return [];
    } finally {
      clearInterval(beat);
      if (changes) busy--;
    }
  };
  const agent = (node: string): Pick<NodeActivities, 'deploy' | 'removeApplication' | 'observe'> => ({
    deploy: ({ deployment }) => carryOut({ kind: 'deploy', node, version: deployment.release.version }),
    removeApplication: async () => void (await carryOut({ kind: 'remove', node })),
    observe: () => carryOut({ kind: 'observe', node }),
  });
  const bundle = await workflowBundle(silentLogger);
  const { nativeConnection: connection } = environment;
  const workers = await Promise.all([
    Worker.create({ connection, taskQueue: FEITIAN_QUEUE, workflowBundle: bundle, activities }),
    ...nodes.map((node) => Worker.create({ connection, taskQueue: tuboQueue(node), activities: agent(node) })),
  ]);
  const running = workers.map((worker) => worker.run());
  try {
    return { result: await act(trace), trace };
  } finally {
    for (const worker of workers) worker.shutdown();
    await Promise.all(running);
  }
}

export function deploymentOf(version: string, configuration = 0): Deployment {
  const descriptor = { name: 'hello', version, roles: {} };
  return {
    release: { application: 'hello', version, digest: 'a'.repeat(64), bytes: 1, descriptor },
    configuration: { version: configuration, values: {} },
  };
}

/** Nodes by rack; each runs version `from` unless that is undefined. */
export function factsOf(racks: Record<string, string[]>, { from, to }: { from?: string; to: string }): PlanFacts {
  const nodes = Object.entries(racks).flatMap(([rack, ids]) => ids.map((id) => ({ id, rack })));
  return {
    nodes,
    placements: from === undefined ? [] : nodes.map(({ id }) => ({ node: id, version: from, configuration: 0, sinceMs: 0, why: 'before' })),
    deployment: deploymentOf(to),
    earlier: from === undefined ? [] : [deploymentOf(from)],
  };
}

/** What an agent's order fails with. */
export function failing(type: DayuCode, message: string): ApplicationFailure {
  return ApplicationFailure.create({ nonRetryable: true, type, message: `${type}: ${message}` });
}

export function untilCancelled(signal: AbortSignal): Promise<void> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
}
