import { readFile } from 'node:fs/promises';
import type { Client } from '@temporalio/client';
import { FEITIAN_QUEUE, type JobProgress, type JobResult } from '../../services/fuxi/contract.ts';
import { describeFailure, explainFailure } from '../cli/ui/failure.ts';
import { queryProgress } from '../cli/ui/follow-workflow.ts';
import { newJobId } from '../cli/ui/job-document.ts';
import { type JobPicture, watchJob } from '../cli/ui/watch-job.ts';

const DOCUMENT = new URL('../examples/wordcount.json', import.meta.url);

export interface CountedWords {
  result: JobResult;
  progress: JobProgress;
}

export interface CountWordsOptions {
  client: Client;
  signal: AbortSignal;
  onStart: (job: { id: string; runId: string }) => void;
  onProgress: (progress: JobProgress) => void;
  picture: JobPicture;
}

/** Submits the word count as any Temporal client would, and watches it to its end. */
export async function countWords({ client, signal, onStart, onProgress, picture }: CountWordsOptions): Promise<CountedWords> {
  const document = JSON.parse(await readFile(DOCUMENT, 'utf8'));
  const id = newJobId(document);
  const handle = await client.workflow.start('fuxiJob', { taskQueue: FEITIAN_QUEUE, workflowId: id, args: [document] });
  onStart({ id, runId: handle.firstExecutionRunId });
  await watchJob(handle, { onProgress, signal, picture });
  signal.throwIfAborted();
  const result = await handle.result().catch((error) => {
    throw new Error(`the job failed: ${describeFailure(explainFailure(error))}`, { cause: error });
  });
  const progress = await queryProgress<JobProgress>(handle);
  if (!progress) throw new Error(`the job ${id} is done, but no worker tells how long its phases took`);
  return { result: result as JobResult, progress };
}
