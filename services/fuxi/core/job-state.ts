/** What a JobMaster knows of its job: the answers to its queries, who won where, what may be asked of it. Plain state; the workflow moves it. */
import {
  type Decision,
  FuxiError,
  type JobPhase,
  type JobPlan,
  type JobProgress,
  type JobResult,
  type TaskProgress,
  type Winners,
} from '../contract.ts';
import type { Job, Task } from './document.ts';
import type { PlannedJob, TaskPublication } from './planned-job.ts';
import { noProgress, sumProgress } from './progress.ts';

const DECISIONS_MAX = 500;

export class JobState {
  phase: JobPhase = 'planning';
  paused = false;
  priority: number;
  plan: JobPlan | undefined;
  readonly decisions: Decision[] = [];
  readonly #job: Job;
  readonly #startedAtMs: number;
  /** The newest progress of each TaskMaster, by task and shard. */
  readonly #reports = new Map<string, Map<number, TaskProgress>>();
  readonly #winners = new Map<string, Winners>();
  /** How often outputs of a task were made again, and at which of these times each instance was. */
  readonly #generations = new Map<string, { last: number; madeIn: Map<number, number> }>();
  #plannedAtMs: number | undefined;
  #publishingAtMs: number | undefined;
  #finishedAtMs: number | undefined;
  #failure: string | undefined;

  constructor(job: Job, nowMs: number) {
    this.#job = job;
    this.#startedAtMs = nowMs;
    this.priority = job.priority;
  }

  // ---- the course of the job ----

  planned(planned: PlannedJob, nowMs: number): void {
    this.#plannedAtMs = nowMs;
    const tasks: JobPlan['tasks'] = {};
    for (const name of this.#job.order) {
      const { resources } = this.#job.tasks[name]!;
      const { instances, inputBytes, inputFiles } = planned.tasks[name]!;
      tasks[name] = {
        instances,
        after: this.after(name),
        inputBytes,
        inputFiles,
        program: describeProgram(this.#job.tasks[name]!),
        resources,
      };
      this.#reports.set(name, new Map([[-1, noProgress(instances, inputBytes)]]));
    }
    this.plan = { tasks, order: this.#job.order, outputs: this.#outputs() };
  }

  report(task: string, shard: number, progress: TaskProgress, decisions: Decision[]): void {
    const reports = this.#reports.get(task) ?? new Map<number, TaskProgress>();
    reports.set(shard, progress);
    this.#reports.set(task, reports);
    this.decisions.push(...decisions);
    this.decisions.splice(0, Math.max(0, this.decisions.length - DECISIONS_MAX));
  }

  note(task: string, rule: string, because: string, nowMs: number): void {
    this.decisions.push({ atMs: nowMs, task, rule, because });
  }

  finished(task: string, winners: Winners, nowMs: number): void {
    this.#winners.set(task, winners);
    if ([...this.#job.order].every((name) => this.#winners.has(name))) this.#publishingAtMs = nowMs;
  }

  published(nowMs: number): void {
    this.#finishedAtMs = nowMs;
  }

  failed(message: string | undefined, nowMs: number): void {
    this.#failure = message;
    this.#finishedAtMs = nowMs;
    // All attempts have ended by now, also those whose TaskMaster could not say so any more.
    for (const reports of this.#reports.values())
      for (const [shard, report] of reports) reports.set(shard, { ...report, running: 0, containers: 0 });
  }

  control({ paused, priority }: { paused?: boolean; priority?: number }): void {
    if (paused !== undefined) this.paused = paused;
    if (priority !== undefined) this.priority = priority;
  }

  // ---- winners and repairs ----

  winners(task: string): Winners {
    return this.#winners.get(task) ?? { instances: 0, first: 1, exceptions: {} };
  }

  generation(task: string): number {
    return this.#generations.get(task)?.last ?? 0;
  }

  /** Of `instances` reported lost by a reader that knew of repairs up to `generation`: those not made again since. */
  stillLost(task: string, instances: readonly number[], generation: number): number[] {
    const { madeIn } = this.#generations.get(task) ?? { madeIn: new Map<number, number>() };
    return instances.filter((instance) => (madeIn.get(instance) ?? 0) <= generation);
  }

  repaired(task: string, instances: readonly number[], winners: Winners): void {
    const generations = this.#generations.get(task) ?? { last: 0, madeIn: new Map<number, number>() };
    generations.last++;
    for (const instance of instances) generations.madeIn.set(instance, generations.last);
    this.#generations.set(task, generations);
    this.#winners.set(task, winners);
  }

  // ---- answers ----

  after(task: string): string[] {
    const { input } = this.#job.tasks[task]!;
    return input.kind === 'shuffle' ? input.from : [];
  }

  publications(): TaskPublication[] {
    return this.#outputs().map((output) => ({ ...output, winners: this.winners(output.task) }));
  }

  progress(): JobProgress {
    const progress: JobProgress = {
      name: this.#job.name,
      phase: this.phase,
      paused: this.paused,
      tasks: Object.fromEntries(this.#job.order.map((name) => [name, this.#taskProgress(name)])),
      outputs: this.#outputs().map((output) => output.directory),
      startedAtMs: this.#startedAtMs,
    };
    if (this.#failure !== undefined) progress.failure = this.#failure;
    if (this.#finishedAtMs !== undefined) progress.finishedAtMs = this.#finishedAtMs;
    if (this.#plannedAtMs !== undefined) progress.planMs = this.#plannedAtMs - this.#startedAtMs;
    if (this.#publishingAtMs !== undefined && this.#finishedAtMs !== undefined)
      progress.publishMs = this.#finishedAtMs - this.#publishingAtMs;
    return progress;
  }

  result(): JobResult {
    const { tasks } = this.progress();
    const outputs = this.#outputs().map(({ task, directory }) => ({
      directory,
      files: tasks[task]!.instances,
      bytes: tasks[task]!.bytesOut,
      records: tasks[task]!.recordsOut,
    }));
    return { outputs, tasks };
  }

  // ---- what may be asked ----

  assertCanPause(paused: boolean): void {
    this.#assertRuns();
    if (this.paused === paused) throw new FuxiError('InvalidJob', paused ? 'the job is paused already' : 'the job is not paused');
  }

  assertPriority(priority: unknown): void {
    this.#assertRuns();
    if (!Number.isInteger(priority) || (priority as number) < 0 || (priority as number) > 9)
      throw new FuxiError('InvalidJob', `a priority is a whole number from 0 to 9, not ${JSON.stringify(priority)}`);
  }

  #assertRuns(): void {
    if (this.#finishedAtMs !== undefined) throw new FuxiError('InvalidJob', `the job is ${this.phase}`);
  }

  #taskProgress(task: string): TaskProgress {
    const reports = this.#reports.get(task) ?? new Map<number, TaskProgress>();
    const shards = [...reports].filter(([shard]) => shard >= 0 && shard < RERUN_SHARD);
    const reruns = [...reports].filter(([shard]) => shard >= RERUN_SHARD).map(([, progress]) => progress);
    // Before a TaskMaster has said anything, the plan's own counts stand.
    const progress = shards.length > 0 ? sumProgress(shards.map(([, report]) => report)) : (reports.get(-1) ?? noProgress(0, 0));
    const planned = this.plan?.tasks[task];
    if (planned) {
      progress.instances = planned.instances;
      if (planned.inputBytes > 0) progress.bytesInTotal = planned.inputBytes;
    }
    for (const rerun of reruns) {
      progress.rerun += rerun.instances;
      progress.failedAttempts += rerun.failedAttempts;
      progress.backups += rerun.backups;
      progress.running += rerun.finishedAtMs === undefined ? rerun.running : 0;
    }
    return progress;
  }

  #outputs(): { task: string; directory: string; overwrite: boolean }[] {
    return this.#job.order.flatMap((task) => {
      const { output } = this.#job.tasks[task]!;
      return output.kind === 'files' ? [{ task, directory: output.directory, overwrite: output.overwrite }] : [];
    });
  }
}

/** Shards from this number on run instances again whose outputs were lost. */
export const RERUN_SHARD = 10_000;

function describeProgram(task: Task): string {
  return 'command' in task.program ? task.program.command.join(' ') : task.program.module;
}
