import type { Client, WorkflowHandle } from '@temporalio/client';
import type { Command } from 'commander';
import { FEITIAN_QUEUE, type JobProgress } from '../../../services/fuxi/contract.ts';
import type { ClusterInfo } from '../../cluster/cluster-file.ts';
import { action, print, printJson, SilentFailure } from '../ui/action.ts';
import { wholeNumber } from '../ui/arguments.ts';
import { attemptLogs } from '../ui/attempt-logs.ts';
import { inCluster } from '../ui/cluster.ts';
import { describeFailure, explainFailure } from '../ui/failure.ts';
import { queryProgress } from '../ui/follow-workflow.ts';
import { newJobId, readJobDocument, signJob } from '../ui/job-document.ts';
import { describeStatus, type JobStatus } from '../ui/job-view.ts';
import { renderTable } from '../ui/table.ts';
import { webAddress, withTemporal } from '../ui/temporal.ts';
import { formatMs, formatTime } from '../ui/units.ts';
import { type VerbOptions, verb } from '../ui/verb.ts';
import { watchJob } from '../ui/watch-job.ts';

/** The workflow type of a job. */
const JOB_WORKFLOW_TYPE = 'fuxiJob';

/** `feitian job …`: a plain Temporal client; whatever it does, any Temporal client can do. */
export function register(program: Command): void {
  const job = program.command('job').description('jobs: documents that run over files in Pangu');

  verb(
    job,
    'submit <file>',
    'start a job from a JSON document; - is standard input',
    'feitian job submit infra/examples/wordcount.json --watch',
  )
    .option('--id <id>', 'workflow id (default: the name of the job and a short random id)')
    .option(
      '--sign',
      'say who submits it, for a cluster that asks: FEITIAN_IDENTITY, or else the administrator (default: where cluster.json says so)',
    )
    .option('--wait', 'until it has ended; exit code 1 if it failed')
    .option('--watch', 'the same, and show how it goes')
    .action(
      action(async (file: string, options: SubmitOptions) => {
        const document = await readJobDocument(file);
        await withTemporal(options.dir, (client, cluster) => submit(client, cluster, document, options));
      }),
    );

  verb(job, 'status <id>', 'how a job goes, or why it failed', 'feitian job status wordcount-1a2b3c').action(
    action(async (id: string, options: VerbOptions) => {
      const status = await withTemporal(options.dir, (client, cluster) => statusOf(client, cluster, id));
      if (options.json) printJson(status);
      else print(describeStatus(status, Date.now()));
    }),
  );

  verb(job, 'list', 'the newest jobs', 'feitian job list --limit 5')
    .option('--limit <n>', 'how many', wholeNumber, 30)
    .action(
      action(async (options: VerbOptions & { limit: number }) => {
        const jobs = await withTemporal(options.dir, (client) => list(client, options.limit));
        if (options.json) return printJson(jobs);
        const columns = [{ title: 'job' }, { title: 'status' }, { title: 'started' }, { title: 'time', align: 'right' }] as const;
        print(
          renderTable(
            columns,
            jobs.map(({ id, status, startedAtMs, tookMs }) => [id, status, formatTime(startedAtMs), formatMs(tookMs)]),
          ),
        );
      }),
    );

  verb(job, 'watch <id>', 'show how a job goes until it has ended; exit code 1 if it failed', 'feitian job watch wordcount-1a2b3c').action(
    action((id: string, options: VerbOptions) =>
      withTemporal(options.dir, async (client, cluster) => {
        await existing(client, id);
        await watchJob(client.workflow.getHandle(id));
        await tellEnd(client, cluster, id, options);
      }),
    ),
  );

  verb(job, 'cancel <id>', 'ask a job to end; it stops its attempts and removes its private files', 'feitian job cancel wordcount-1a2b3c')
    .option('--wait', 'until it has ended')
    .action(
      action((id: string, options: VerbOptions & { wait?: boolean }) =>
        withTemporal(options.dir, async (client) => {
          const { runId } = await existing(client, id);
          const handle = client.workflow.getHandle(id);
          await handle.cancel();
          if (options.wait) await handle.result().catch(() => {});
          if (options.json) printJson({ id, runId, cancelled: true });
          else print(options.wait ? `${id} has ended` : `${id} was asked to end`);
        }),
      ),
    );

  verb(job, 'logs <id>', 'what attempts wrote to standard error', 'feitian job logs wordcount-1a2b3c --task map --instance 3')
    .option('--task <task>', 'of one task only')
    .option('--instance <n>', 'of one instance only', wholeNumber)
    .action(
      action(async (id: string, options: VerbOptions & { task?: string; instance?: number }) => {
        const { runId } = await withTemporal(options.dir, (client) => existing(client, id));
        const { task, instance } = options;
        const { logs, silent } = await inCluster(options.dir, (member) => attemptLogs(member, { runId, task, instance }));
        if (silent.length > 0) process.stderr.write(`feitian: no answer from ${silent.join(', ')}\n`);
        if (options.json) return printJson(logs);
        for (const log of logs) {
          if (log.text === '' && options.instance === undefined) continue;
          print(`==> ${log.task} ${log.instance}, attempt ${log.attempt} on ${log.node}: ${log.state} <==\n${log.text.replace(/\n$/, '')}`);
        }
      }),
    );
}

interface SubmitOptions extends VerbOptions {
  id?: string;
  sign?: boolean;
  wait?: boolean;
  watch?: boolean;
}

async function submit(client: Client, cluster: ClusterInfo, document: unknown, options: SubmitOptions): Promise<void> {
  const id = options.id ?? newJobId(document);
  const sent = options.sign || cluster.requireSubmitter ? await signJob(document, id, cluster) : document;
  const started = client.workflow.start(JOB_WORKFLOW_TYPE, {
    taskQueue: FEITIAN_QUEUE,
    workflowId: id,
    args: [sent],
    staticSummary: (document as { name: string }).name,
  });
  const handle = await started.catch((error: Error) => {
    if (error.name !== 'WorkflowExecutionAlreadyStartedError') throw error;
    throw new Error(`a job with the id ${id} is running; see it with: feitian job watch ${id}`, { cause: error });
  });
  const runId = handle.firstExecutionRunId;
  const ui = webAddress(cluster, id, runId);
  const ends = options.wait || options.watch;
  if (options.json && !ends) return printJson({ id, runId, ...(ui ? { ui } : {}) });
  if (!options.json) print(ui ? `${id}\n${ui}` : id);
  if (options.watch) await watchJob(handle as WorkflowHandle);
  else if (options.wait) await handle.result().catch(() => {});
  if (ends) await tellEnd(client, cluster, id, options);
}

/** The end of a job that was waited for: its status, and exit code 1 if it did not succeed. */
async function tellEnd(client: Client, cluster: ClusterInfo, id: string, options: VerbOptions): Promise<void> {
  const status = await statusOf(client, cluster, id);
  if (options.json) printJson(status);
  else print(describeStatus({ ...status, failure: undefined }, Date.now()));
  if (status.status === 'COMPLETED') return;
  if (status.failure) process.stderr.write(`feitian: ${describeFailure(status.failure)}\n`);
  throw new SilentFailure();
}

async function statusOf(client: Client, cluster: ClusterInfo, id: string): Promise<JobStatus> {
  const { runId, status, startTime, closeTime } = await existing(client, id);
  const handle = client.workflow.getHandle(id, runId);
  const closed = status.name !== 'RUNNING';
  const [progress, failure] = await Promise.all([
    queryProgress<JobProgress>(handle),
    closed && status.name !== 'COMPLETED' ? handle.result().then(() => undefined, explainFailure) : undefined,
  ]);
  const ui = webAddress(cluster, id, runId);
  return {
    id,
    runId,
    status: status.name,
    startedAtMs: startTime.getTime(),
    ...(closeTime ? { closedAtMs: closeTime.getTime() } : {}),
    ...(ui ? { ui } : {}),
    ...(progress ? { progress } : {}),
    ...(failure ? { failure } : {}),
  };
}

async function existing(client: Client, id: string) {
  try {
    const description = await client.workflow.getHandle(id).describe();
    if (description.type === JOB_WORKFLOW_TYPE) return description;
  } catch (error) {
    if ((error as Error).name !== 'WorkflowNotFoundError') throw error;
  }
  throw new Error(`there is no job ${id}; see them with: feitian job list`);
}

async function list(client: Client, limit: number) {
  const jobs: { id: string; runId: string; status: string; startedAtMs: number; tookMs: number }[] = [];
  for await (const run of client.workflow.list({ query: `WorkflowType='${JOB_WORKFLOW_TYPE}'` })) {
    if (jobs.length === limit) break;
    const startedAtMs = run.startTime.getTime();
    const tookMs = (run.closeTime?.getTime() ?? Date.now()) - startedAtMs;
    jobs.push({ id: run.workflowId, runId: run.runId, status: run.status.name.toLowerCase(), startedAtMs, tookMs });
  }
  return jobs;
}
