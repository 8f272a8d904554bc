import { createHash } from 'node:crypto';
import type { Job } from '../../services/fuxi/core/document.ts';
import { submissionText } from '../../services/fuxi/core/submission.ts';
import type { Challenge } from '../../services/kuafu/guard-contract.ts';

/**
 * A job as a challenge, which its submitter answers as it answers servers: one kind of proof, and one place that checks it. No server can pass its own challenge off as a job:
 * a caller takes what binds a proof from its own end of a connection, and none of these ends says what stands here.
 */
const BINDING = createHash('sha256').update('feitian job 1').digest();

export function jobChallenge(cluster: string, job: Job, workflowId: string, expires: number): Challenge {
  const nonce = createHash('sha256')
    .update(submissionText(job, workflowId, expires))
    .digest();
  return { cluster, nonce, binding: BINDING };
}
