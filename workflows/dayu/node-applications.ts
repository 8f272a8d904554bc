/** Services of a node that leaves: each is written down as being there no more, and stopped in good order. */
import { ActivityFailure, ApplicationFailure, log, sleep, workflowInfo } from '@temporalio/workflow';
import { agentOf, describeOrderFailure } from './node-orders.ts';
import { quick } from './nodes-run.ts';

/** A rollout that holds an application ends some time; until then its nodes are its own. */
const ROLLOUT_PAUSE_MS = 5_000;

export async function removeApplications(node: string): Promise<void> {
  const { workflowId, runId } = workflowInfo();
  for (;;) {
    const there = await quick.applicationsOn.executeWithOptions({ summary: `which services are on ${node}?` }, [{ node }]);
    if (there.length === 0) return;
    let held = false;
    for (const { application, configuration } of there) {
      try {
        const why = `${node} leaves the cluster: ${workflowId}`;
        const request = { workflowId, runId, application, node, configuration, why };
        await quick.place.executeWithOptions({ summary: `${application} is not meant for ${node} any more` }, [request]);
      } catch (error) {
        if (!isHeld(error)) throw error;
        held = true;
        continue;
      }
      await stop(node, application);
    }
    if (held) await sleep(ROLLOUT_PAUSE_MS, { summary: 'a rollout is under way: it ends first' });
  }
}

/** In good order if its agent can; what it can't stop ends with its node all the same. */
async function stop(node: string, application: string): Promise<void> {
  try {
    await agentOf(node).removeApplication.executeWithOptions({ summary: `stop ${application} on ${node}` }, [{ application }]);
  } catch (error) {
    log.warn('application.not-stopped', { node, application, why: describeOrderFailure(node, error) });
  }
}

function isHeld(error: unknown): boolean {
  return error instanceof ActivityFailure && error.cause instanceof ApplicationFailure && error.cause.type === 'RolloutInProgress';
}
