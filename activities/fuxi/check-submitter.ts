import { hasCode, messageOf } from '../../services/base/errors.ts';
import type { Job } from '../../services/fuxi/core/document.ts';
import { touchedBy } from '../../services/fuxi/core/submission.ts';
import type { Caller, Guard } from '../../services/kuafu/guard-contract.ts';
import { resourceOf } from '../../services/kuafu/resource-contract.ts';
import { pathResource } from '../../services/pangu/client.ts';
import { refuse } from './failures.ts';
import { jobChallenge } from './job-challenge.ts';

/** A cluster that asks who submits (`requireSubmitter`). */
export interface Submitters {
  guard: Pick<Guard, 'admit' | 'refused' | 'allowed'>;
  cluster: string;
}

const METHOD = 'fuxi.planJob';

/**
 * Whether whoever submitted a job may touch all that it touches: its statement (services/fuxi/core/submission.ts) fits this very job, and its rights cover the files.
 * Failures: SubmitterUnknown, PermissionDenied.
 */
export async function checkSubmitter({ guard, cluster }: Submitters, job: Job, workflowId: string, nowMs: number): Promise<void> {
  const { submitter } = job;
  if (!submitter)
    throw refuse(
      'SubmitterUnknown',
      'this cluster asks who submits a job, and the document does not say: "feitian job submit --sign" signs it in the name of FEITIAN_IDENTITY',
    );
  const { token, proof, expires } = submitter;
  if (nowMs >= expires * 1000)
    throw refuse('SubmitterUnknown', `the submitter's statement ended at ${new Date(expires * 1000).toISOString()}`);
  const credentials = { token, proof: Buffer.from(proof, 'base64url') };
  let caller: Caller;
  try {
    caller = await guard.admit(credentials, jobChallenge(cluster, job, workflowId, expires));
  } catch (error) {
    // It cannot be told now; it is asked again.
    if (hasCode(error, 'RevocationsStale')) throw error;
    const why = hasCode(error, 'WrongHolder')
      ? 'it was signed by somebody else, for another job, or under another workflow id'
      : messageOf(error);
    throw refuse('SubmitterUnknown', `the submitter's statement does not hold: ${why}`);
  }
  const wanted: { operation: string; resource: string }[] = [
    { operation: 'run', resource: resourceOf('fuxi', cluster, 'quota', job.quotaGroup) },
  ];
  for (const { operation, path } of touchedBy(job)) wanted.push({ operation, resource: resourceAt(path, cluster) });
  for (const { operation, resource } of wanted) {
    const reason = caller.refusal(operation, resource);
    if (reason === undefined) {
      guard.allowed(caller, METHOD, operation, resource);
      continue;
    }
    guard.refused(caller, METHOD, operation, resource, reason);
    throw refuse('PermissionDenied', `${caller.name} may not ${operation} ${resource}: ${reason}`);
  }
}

function resourceAt(path: string, cluster: string): string {
  try {
    return pathResource(path, cluster);
  } catch (error) {
    throw refuse('PermissionDenied', `${path} is no path that rights can be about: ${messageOf(error)}`);
  }
}
