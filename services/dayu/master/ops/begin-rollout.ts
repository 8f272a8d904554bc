import { and, eq } from 'drizzle-orm';
import { inTransaction, type Queryable } from '../../../base/database.ts';
import { messageOf } from '../../../base/errors.ts';
import { KuafuError } from '../../../kuafu/contract.ts';
import { DayuError, type PlanFacts, type Rollout } from '../../contract.ts';
import { plan } from '../../core/planner.ts';
import { rollouts } from '../../tables.ts';
import type { MasterContext, Reply, Request } from '../context.ts';
import { assertApplication, configurationOf, deploymentsOf, placementsOf, releasesOf } from '../store.ts';
import { endRollout } from './end-rollout.ts';

/** Each time round, a holder that was dead is put out of the way; there are never many. */
const HOLDERS_MAX = 8;

/**
 * Takes the application for one workflow run and tells it the facts of that moment. All that can be wrong with the rollout is found before it is
 * taken, so that a refusal changes nothing. Who is in the way is asked for outside of the transaction: Temporal may take its time.
 */
export async function beginRollout(context: MasterContext, request: Request<'beginRollout'>): Promise<Reply<'beginRollout'>> {
  const { rollout, workflowId, runId } = request;
  const nodes = await context.nodes();
  for (let round = 1; round <= HOLDERS_MAX; round++) {
    const begun = await inTransaction(context.db, (tx) => begin(tx, request, nodes));
    if ('facts' in begun) {
      context.log.info({ application: rollout.application, version: rollout.version, workflowId, runId }, 'rollout.begun');
      return begun.facts;
    }
    await putAside(context, rollout, begun.holder);
  }
  throw new KuafuError('Unavailable', `${rollout.application} was taken by others ${HOLDERS_MAX} times in a row`);
}

type Holder = { workflowId: string; runId: string; version: string };

async function begin(
  tx: Queryable,
  request: Request<'beginRollout'>,
  nodes: PlanFacts['nodes'],
): Promise<{ facts: PlanFacts } | { holder: Holder }> {
  const { rollout, workflowId, runId } = request;
  const { application, version, user } = rollout;
  await assertApplication(tx, application, { lock: true });
  const [own] = await tx
    .select()
    .from(rollouts)
    .where(and(eq(rollouts.workflowId, workflowId), eq(rollouts.runId, runId)));
  if (own?.state === 'running') return { facts: own.facts };
  if (own) throw new DayuError('RolloutInProgress', `this run ended as ${own.state} already`, { details: { workflowId } });

  const facts = await gather(tx, rollout, nodes);
  plan(rollout, facts); // throws what it would throw in the workflow
  const [holder] = await tx
    .select()
    .from(rollouts)
    .where(and(eq(rollouts.application, application), eq(rollouts.state, 'running')));
  if (holder) return { holder };
  await tx.insert(rollouts).values({ workflowId, runId, application, version, user, state: 'running', document: rollout, facts });
  return { facts };
}

async function gather(tx: Queryable, { application, version }: Rollout, nodes: PlanFacts['nodes']): Promise<PlanFacts> {
  const releases = await releasesOf(tx, application);
  if (!releases.some((release) => release.version === version)) {
    const versions = releases.map((release) => release.version);
    throw new DayuError('UnknownVersion', `${application} has no version ${version}; there are ${versions.join(', ')}`, {
      details: { versions },
    });
  }
  const configuration = await configurationOf(tx, application);
  const placements = await placementsOf(tx, application);
  const [deployment] = await deploymentsOf(tx, application, [{ version, configuration: configuration.version }]);
  return { nodes, placements, deployment: deployment!, earlier: await deploymentsOf(tx, application, placements) };
}

/** A holder that still runs stays; one that Temporal no longer knows as running ended without a word, and its rollout with it. */
async function putAside(context: MasterContext, { application }: Rollout, { workflowId, runId, version }: Holder): Promise<void> {
  const running = await context.workflows.isRunning(workflowId, runId).catch((error) => {
    throw new KuafuError('Unavailable', `Temporal does not tell whether ${workflowId} runs: ${messageOf(error)}`, { cause: error });
  });
  if (running)
    throw new DayuError(
      'RolloutInProgress',
      `${workflowId} rolls out ${application} ${version}; see it with: feitian dayu watch ${application}`,
      {
        details: { workflowId },
      },
    );
  context.log.warn({ application, workflowId, runId }, 'rollout.holder_gone');
  await endRollout(context, {
    workflowId,
    runId,
    state: 'failed',
    reason: 'its workflow ended without a word: it was terminated or timed out',
  });
}
