import { and, eq, sql } from 'drizzle-orm';
import { rollouts } from '../../tables.ts';
import type { MasterContext, Reply, Request } from '../context.ts';

/** Of a run that never began, or ended before, there is nothing to end. */
export async function endRollout({ db, log }: MasterContext, request: Request<'endRollout'>): Promise<Reply<'endRollout'>> {
  const { workflowId, runId, state, reason } = request;
  const ended = await db
    .update(rollouts)
    .set({ state, reason, endedAt: sql`now()` })
    .where(and(eq(rollouts.workflowId, workflowId), eq(rollouts.runId, runId), eq(rollouts.state, 'running')))
    .returning({ application: rollouts.application });
  for (const { application } of ended) log.info({ application, workflowId, state, reason }, 'rollout.ended');
  return {};
}
