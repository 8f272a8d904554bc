/** What a rollout asks of one node's agent, and what it makes of the answers. */
import { ActivityCancellationType, ActivityFailure, ApplicationFailure, proxyActivities, TimeoutFailure } from '@temporalio/workflow';
import type { NodeActivities } from '../../activities/index.ts';
import { tuboQueue } from '../../services/fuxi/contract.ts';

/** An agent that says nothing for this long is lost; another try then finds the one that was started in its place. */
const HEARTBEAT_TIMEOUT_MS = 8_000;
/** A live agent takes an order at once, and a killed one is back within seconds: a node that takes none for so long is gone. */
const START_TIMEOUT_MS = 60_000;

/** The agent bounds each order itself (healthyWithinMs, drain and stop times of the release); that it lives is what its heartbeats say. */
export function agentOf(node: string) {
  return proxyActivities<Pick<NodeActivities, 'deploy' | 'removeApplication' | 'observe'>>({
    taskQueue: tuboQueue(node),
    startToCloseTimeout: '3 days',
    scheduleToStartTimeout: START_TIMEOUT_MS,
    heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
    retry: { initialInterval: '1 second', maximumInterval: '5 seconds', maximumAttempts: 8 },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });
}

/** `StartFailed: web exited with code 1: no such file`. */
export function describeOrderFailure(node: string, error: unknown): string {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof TimeoutFailure) return `NodeLost: nothing was heard from the agent on ${node} (${cause.timeoutType})`;
  if (cause instanceof ApplicationFailure && cause.type && !cause.message.startsWith(`${cause.type}: `))
    return `${cause.type}: ${cause.message}`;
  return cause instanceof Error ? cause.message : String(cause);
}
