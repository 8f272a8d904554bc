/**
 * The JobMaster: one job document, from plan to publication. Each task runs in one or several TaskMasters (`fuxiTask`) as soon as what it reads
 * is there; when all are done, their outputs appear in Pangu in one commit. Nothing is visible before, and nothing is left behind
 * afterwards, however the job ends.
 */
import {
  ApplicationFailure,
  CancellationScope,
  ChildWorkflowFailure,
  type ChildWorkflowHandle,
  condition,
  isCancellation,
  ParentClosePolicy,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  startChild,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../../activities/index.ts';
import { describeProblems } from '../../services/base/problems.ts';
import { FEITIAN_QUEUE, type JobPhase, type JobResult, type TaskInput, taskDirectory } from '../../services/fuxi/contract.ts';
import { jobDetails } from '../../services/fuxi/core/details.ts';
import { type Job, type ParsedJob, parseJob, type Task } from '../../services/fuxi/core/document.ts';
import { JobState, RERUN_SHARD } from '../../services/fuxi/core/job-state.ts';
import type { PlannedJob } from '../../services/fuxi/core/planned-job.ts';
import { shardsOf } from '../../services/fuxi/core/shards.ts';
import { joinWinners, replaceWinners } from '../../services/fuxi/core/winners.ts';
import { type FailedTask, fuxiTask, type TaskRunInput, type TaskRunResult } from './fuxi-task.ts';
import {
  type Control,
  controlSignal,
  DESCRIPTIONS,
  inputsRepairedSignal,
  pauseUpdate,
  planQuery,
  progressQuery,
  resumeUpdate,
  type ShuffleLostSignal,
  setPriorityUpdate,
  shuffleLostSignal,
  taskProgressSignal,
  whyQuery,
} from './messages.ts';
import { beginCountingJob, count } from './metrics.ts';
import { SEARCH_ATTRIBUTE_KEYS } from './search-attributes.ts';

const options = {
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout: '30 seconds',
  retry: { initialInterval: '200 milliseconds', maximumInterval: '5 seconds' },
} as const;
const { publishJob, cleanupJob } = proxyActivities<Activities>(options);
/** Nothing is lost yet by giving up, and a plan that brings down whoever makes it must not be made for ever. */
const { planJob } = proxyActivities<Activities>({ ...options, scheduleToCloseTimeout: '15 minutes' });

export async function fuxiJob(document: unknown): Promise<JobResult> {
  beginCountingJob();
  const parsed = readDocument(document);
  if (!parsed.ok) {
    const message = describeProblems(parsed.problems);
    setCurrentDetails(
      ['**InvalidJob**', '', '```', ...parsed.problems.map(({ path, message }) => `${path || 'document'}: ${message}`), '```'].join('\n'),
    );
    upsertSearchAttributes([{ key: SEARCH_ATTRIBUTE_KEYS.phase, value: 'failed' }]);
    count('jobs', 1, { outcome: 'failed' });
    throw ApplicationFailure.create({ nonRetryable: true, type: 'InvalidJob', message, details: [parsed.problems] });
  }
  const run = new JobRun(parsed.job);
  setHandler(progressQuery, () => run.state.progress(), { description: DESCRIPTIONS.progress });
  setHandler(planQuery, () => run.state.plan ?? null, { description: DESCRIPTIONS.plan });
  setHandler(whyQuery, () => run.state.decisions, { description: DESCRIPTIONS.why });
  setHandler(taskProgressSignal, ({ task, shard, progress, decisions }) => {
    run.state.report(task, shard, progress, decisions);
    run.show();
  });
  setHandler(shuffleLostSignal, (lost) => run.shuffleLost(lost));
  setHandler(pauseUpdate, () => run.control({ paused: true }), {
    validator: () => run.state.assertCanPause(true),
    description: DESCRIPTIONS.pause,
  });
  setHandler(resumeUpdate, () => run.control({ paused: false }), {
    validator: () => run.state.assertCanPause(false),
    description: DESCRIPTIONS.resume,
  });
  setHandler(setPriorityUpdate, (priority) => run.control({ priority }), {
    validator: (priority) => run.state.assertPriority(priority),
    description: DESCRIPTIONS.setPriority,
  });
  return run.main();
}

/** A document that the parser itself stumbles over is a bad document, and not a workflow task to be tried for ever. */
function readDocument(document: unknown): ParsedJob {
  try {
    return parseJob(document);
  } catch (error) {
    return { ok: false, problems: [{ path: '', message: `can't be read: ${error instanceof Error ? error.message : String(error)}` }] };
  }
}

type TaskHandle = ChildWorkflowHandle<typeof fuxiTask>;

class JobRun {
  readonly state: JobState;
  readonly #job: Job;
  #planned: PlannedJob | undefined;
  /** TaskMasters that run now, with the task whose instances they run. */
  readonly #running = new Map<TaskHandle, string>();
  readonly #lost: ShuffleLostSignal[] = [];
  readonly #repairing = new Map<string, Promise<void>>();
  #repairs = 0;
  #repairFailure: unknown;

  constructor(job: Job) {
    this.#job = job;
    this.state = new JobState(job, Date.now());
  }

  show(): void {
    setCurrentDetails(jobDetails(this.state.progress(), this.state.plan));
  }

  async main(): Promise<JobResult> {
    const { name, user, quotaGroup, priority } = this.#job;
    upsertSearchAttributes([
      { key: SEARCH_ATTRIBUTE_KEYS.jobName, value: name },
      { key: SEARCH_ATTRIBUTE_KEYS.user, value: user },
      { key: SEARCH_ATTRIBUTE_KEYS.quotaGroup, value: quotaGroup },
      { key: SEARCH_ATTRIBUTE_KEYS.priority, value: priority },
      { key: SEARCH_ATTRIBUTE_KEYS.phase, value: 'planning' },
    ]);
    let failure: unknown;
    try {
      return await this.#run();
    } catch (error) {
      failure = error;
      throw this.#explained(error);
    } finally {
      await CancellationScope.nonCancellable(() => this.#cleanUp(failure));
    }
  }

  async #run(): Promise<JobResult> {
    const { runId } = workflowInfo();
    this.show();
    const planned = await planJob.executeWithOptions({ summary: `plan ${this.#job.name}: inputs, splits, destinations` }, [
      { runId, job: this.#job },
    ]);
    this.#planned = planned;
    this.state.planned(planned, Date.now());
    this.#enter('running');
    await this.#runTasks();
    this.#enter('publishing');
    const publications = this.state.publications();
    if (publications.length > 0) {
      const summary = `publish ${publications.map(({ directory }) => directory).join(', ')}`;
      // A cancellation comes too late from here on: what is asked for now may already be seen.
      await CancellationScope.nonCancellable(() => publishJob.executeWithOptions({ summary }, [{ runId, publications }]));
    }
    this.state.published(Date.now());
    this.#enter('done');
    return this.state.result();
  }

  async #runTasks(): Promise<void> {
    const scope = new CancellationScope();
    await scope.run(async () => {
      const started = new Map<string, Promise<void>>();
      for (const name of this.#job.order) {
        const before = this.state.after(name).map((earlier) => started.get(earlier)!);
        started.set(
          name,
          Promise.all(before).then(() => this.#runTask(this.#job.tasks[name]!)),
        );
      }
      const repairLoop = this.#repairLoop();
      try {
        await Promise.race([Promise.all(started.values()), repairLoop]);
      } finally {
        // Whatever still runs ends before anything is cleaned up; after success that is the repair loop alone.
        scope.cancel();
        await CancellationScope.nonCancellable(() => Promise.allSettled([...started.values(), repairLoop, ...this.#repairing.values()]));
      }
    });
  }

  async #runTask(task: Task): Promise<void> {
    const planned = this.#planned!.tasks[task.name]!;
    const shards = shardsOf(planned.instances);
    const results = await Promise.all(
      shards.map(({ from, to }, shard) => {
        const indexes = Array.from({ length: to - from }, (_, i) => from + i);
        return this.#runInstances(task, indexes, {
          shard,
          shards: shards.length,
          firstAttempt: 1,
          suffix: shards.length > 1 ? `.${shard}` : '',
        });
      }),
    );
    this.state.finished(task.name, joinWinners(results.map((result) => result.winners)), Date.now());
    this.show();
  }

  async #runInstances(
    task: Task,
    indexes: number[],
    { shard, shards, firstAttempt, suffix }: { shard: number; shards: number; firstAttempt: number; suffix: string },
  ): Promise<TaskRunResult> {
    const { workflowId, runId } = workflowInfo();
    const { bytes, preferred, nodes } = this.#planned!.tasks[task.name]!;
    const input: TaskRunInput = {
      job: {
        workflowId,
        runId,
        name: this.#job.name,
        user: this.#job.user,
        quotaGroup: this.#job.quotaGroup,
        priority: this.state.priority,
      },
      task,
      shard,
      instances: { indexes, bytes: indexes.map((i) => bytes[i] ?? 0), preferred: indexes.map((i) => preferred[i] ?? []), nodes },
      firstAttempt,
      input: this.#inputOf(task),
      output: this.#outputOf(task),
      paused: this.state.paused,
    };
    const part = shards > 1 ? `, part ${shard + 1} of ${shards}` : '';
    const handle = await startChild(fuxiTask, {
      workflowId: `${workflowId}/${task.name}${suffix}`,
      taskQueue: FEITIAN_QUEUE,
      args: [input],
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      staticSummary: `${task.name}: ${indexes.length} ${indexes.length === 1 ? 'instance' : 'instances'}${part}${firstAttempt > 1 ? ', made again' : ''}`,
    });
    this.#running.set(handle, task.name);
    try {
      const result = await handle.result();
      this.state.report(task.name, shard, result.progress, result.decisions);
      return result;
    } catch (error) {
      // A TaskMaster that failed tells in its failure how far it came.
      const root = rootOf(error);
      const [told] = root instanceof ApplicationFailure ? ((root.details ?? []) as [FailedTask?]) : [];
      if (told?.progress) this.state.report(task.name, shard, { ...told.progress, running: 0 }, told.decisions);
      throw error;
    } finally {
      this.#running.delete(handle);
      this.show();
    }
  }

  #inputOf(task: Task): TaskInput {
    const { runId } = workflowInfo();
    if (task.input.kind === 'none') return { kind: 'none' };
    if (task.input.kind === 'files') return { kind: 'files', splits: this.#planned!.tasks[task.name]!.splits!, format: task.input.format };
    return {
      kind: 'shuffle',
      from: task.input.from.map((source) => ({
        task: source,
        directory: taskDirectory(runId, source),
        winners: this.state.winners(source),
      })),
    };
  }

  #outputOf(task: Task): TaskRunInput['output'] {
    const directory = taskDirectory(workflowInfo().runId, task.name);
    if (task.output.kind === 'shuffle') return { kind: 'shuffle', directory, partitions: this.#planned!.tasks[task.output.to]!.instances };
    return task.output.kind === 'files' ? { kind: 'files', directory } : { kind: 'none' };
  }

  // ---- lost shuffle outputs ----

  shuffleLost(lost: ShuffleLostSignal): void {
    this.#lost.push(lost);
  }

  /** Outputs of a finished task that can't be read any more are made again, just those; their readers wait and then go on. */
  async #repairLoop(): Promise<void> {
    for (;;) {
      await condition(() => this.#lost.length > 0 || this.#repairFailure !== undefined);
      if (this.#repairFailure !== undefined) throw this.#repairFailure;
      const { task, instances, generation } = this.#lost.shift()!;
      // One repair of a task at a time, so that the second sees what the first has mended; different tasks side by side.
      const before = this.#repairing.get(task) ?? Promise.resolve();
      const repair = before
        .then(() => this.#repair(task, instances, generation))
        .catch((error) => {
          this.#repairFailure ??= error;
        });
      this.#repairing.set(task, repair);
    }
  }

  async #repair(name: string, instances: number[], generation: number): Promise<void> {
    const task = this.#job.tasks[name]!;
    const missing = this.state.stillLost(name, instances, generation);
    if (missing.length > 0) {
      const repair = ++this.#repairs;
      this.state.note(
        name,
        'rerun',
        `${missing.length} outputs of ${name} can't be read any more (instances ${missing.slice(0, 10).join(', ')}${missing.length > 10 ? ', …' : ''}); made again`,
        Date.now(),
      );
      // Attempt numbers far above all earlier ones, so that no path is used twice.
      const firstAttempt = repair * 1_000 + 1;
      const { winners } = await this.#runInstances(task, missing, {
        shard: RERUN_SHARD + repair,
        shards: 1,
        firstAttempt,
        suffix: `.again-${repair}`,
      });
      this.state.repaired(name, missing, replaceWinners(this.state.winners(name), winners, missing));
    }
    for (const [handle, reader] of this.#running) {
      const readerTask = this.#job.tasks[reader]!;
      if (readerTask.input.kind !== 'shuffle' || !readerTask.input.from.includes(name)) continue;
      await handle.signal(inputsRepairedSignal, { input: this.#inputOf(readerTask), generation: this.state.generation(name) });
    }
  }

  // ---- people ----

  async control(control: Control): Promise<void> {
    this.state.control(control);
    this.show();
    await Promise.allSettled([...this.#running.keys()].map((handle) => handle.signal(controlSignal, control)));
  }

  #enter(phase: JobPhase): void {
    this.state.phase = phase;
    upsertSearchAttributes([{ key: SEARCH_ATTRIBUTE_KEYS.phase, value: phase }]);
    this.show();
  }

  // ---- the end ----

  async #cleanUp(failure: unknown): Promise<void> {
    count('jobs', 1, { outcome: failure === undefined ? 'done' : isCancellation(failure) ? 'cancelled' : 'failed' });
    if (failure !== undefined) {
      this.state.failed(isCancellation(failure) ? undefined : rootOf(failure).message, Date.now());
      this.#enter(isCancellation(failure) ? 'cancelled' : 'failed');
    }
    const { runId } = workflowInfo();
    await cleanupJob.executeWithOptions({ summary: "remove the job's private files" }, [{ runId }]);
  }

  /** The cause that a person can act on becomes the job's own failure, with the chain below it. */
  #explained(error: unknown): unknown {
    if (isCancellation(error)) return error;
    const root = rootOf(error);
    if (!(root instanceof ApplicationFailure)) return error;
    return ApplicationFailure.create({
      nonRetryable: true,
      type: root.type ?? 'JobFailed',
      message: root.message,
      details: root.details ?? [],
      cause: error instanceof ChildWorkflowFailure ? error : undefined,
    });
  }
}

function rootOf(error: unknown): Error {
  let root = error as Error;
  while (root.cause instanceof Error && !(root instanceof ApplicationFailure)) root = root.cause;
  return root;
}
