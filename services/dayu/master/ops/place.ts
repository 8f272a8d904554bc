import { and, eq, sql } from 'drizzle-orm';
import { inTransaction, type Queryable } from '../../../base/database.ts';
import { DayuError } from '../../contract.ts';
import { placementHistory, placements, releases, rollouts } from '../../tables.ts';
import type { MasterContext, Reply, Request } from '../context.ts';
import { assertApplication } from '../store.ts';

/**
 * Writes down what a node is meant to run, and why. Said a second time it changes nothing. While a rollout holds the application only its run may say
 * so; when none does, whoever moves a node (a shrinking) may. Errors: UnknownApplication, UnknownVersion, RolloutInProgress.
 */
export async function place({ db, log }: MasterContext, request: Request<'place'>): Promise<Reply<'place'>> {
  const { application, node, version, configuration, settled, why, workflowId, runId } = request;
  const changed = await inTransaction(db, async (tx) => {
    await assertApplication(tx, application, { lock: true });
    await assertMayPlace(tx, request);
    const there = and(eq(placements.application, application), eq(placements.node, node));
    const [current] = await tx.select().from(placements).where(there);
    if (isSaid(current, request)) return false;
    if (version === undefined) {
      await tx.delete(placements).where(there);
    } else {
      await assertRelease(tx, application, version);
      const values = { version, configuration, why, settled, since: sql`now()` };
      await tx
        .insert(placements)
        .values({ application, node, ...values })
        .onConflictDoUpdate({ target: [placements.application, placements.node], set: values });
    }
    // That it is healthy now is no new chapter.
    if (isSaid(current, { ...request, settled: current?.settled ?? settled })) return true;
    await tx.insert(placementHistory).values({ application, node, version: version ?? null, configuration, why, workflowId, runId });
    return true;
  });
  if (changed) log.info({ application, node, version, configuration, why, workflowId }, 'node.placed');
  return {};
}

function isSaid(current: typeof placements.$inferSelect | undefined, { version, configuration, settled, why }: Request<'place'>): boolean {
  if (!current) return version === undefined;
  return current.version === version && current.configuration === configuration && current.settled === settled && current.why === why;
}

async function assertMayPlace(tx: Queryable, { application, workflowId, runId }: Request<'place'>): Promise<void> {
  const [holder] = await tx
    .select()
    .from(rollouts)
    .where(and(eq(rollouts.application, application), eq(rollouts.state, 'running')));
  if (holder?.workflowId === workflowId && holder.runId === runId) return;
  if (holder)
    throw new DayuError('RolloutInProgress', `${holder.workflowId} holds ${application}`, { details: { workflowId: holder.workflowId } });
  const [own] = await tx
    .select()
    .from(rollouts)
    .where(and(eq(rollouts.workflowId, workflowId), eq(rollouts.runId, runId)));
  if (own)
    throw new DayuError('RolloutInProgress', `${workflowId} ended as ${own.state} and holds ${application} no more`, {
      details: { workflowId },
    });
}

async function assertRelease(tx: Queryable, application: string, version: string): Promise<void> {
  const found = await tx.select({ version: releases.version }).from(releases).where(eq(releases.application, application));
  if (found.some((release) => release.version === version)) return;
  const versions = found.map((release) => release.version);
  throw new DayuError('UnknownVersion', `${application} has no version ${version}; there are ${versions.join(', ')}`, {
    details: { versions },
  });
}
