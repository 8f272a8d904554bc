/**
 * The TaskMaster: runs the instances of one task (or one shard of them) in containers that FuxiMaster grants. What to do is decided by the pure
 * `TaskMaster` of services/fuxi/core; this workflow carries it out: one activity per batch on the queue of the node's Tubo, one `exchange`
 * activity when its wants change, a signal to the job when something is worth telling.
 */
import {
  ActivityCancellationType,
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  condition,
  getExternalWorkflowHandle,
  isCancellation,
  log,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  TimeoutFailure,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities, NodeActivities } from '../../activities/index.ts';
import type { AttemptPlace } from '../../services/fuxi/attempt-contract.ts';
import type { BatchResult, Decision, GrantSignal, TaskInput, TaskOutput, TaskProgress, Winners } from '../../services/fuxi/contract.ts';
import { tuboQueue } from '../../services/fuxi/contract.ts';
import { BATCH_BUDGET_MS } from '../../services/fuxi/core/batching.ts';
import { taskDetails } from '../../services/fuxi/core/details.ts';
import type { Task } from '../../services/fuxi/core/document.ts';
import { progressIntervalMs } from '../../services/fuxi/core/progress.ts';
import { type Batch, type Decisions, TaskMaster } from '../../services/fuxi/core/task-master.ts';
import {
  containersLostSignal,
  controlSignal,
  grantSignal,
  inputsRepairedSignal,
  partialSignal,
  resyncSignal,
  shuffleLostSignal,
  taskProgressQuery,
  taskProgressSignal,
} from './messages.ts';
import { beginCountingTask, count } from './metrics.ts';

export interface TaskRunInput {
  job: { workflowId: string; runId: string; name: string; user: string; quotaGroup: string; priority: number };
  task: Task;
  shard: number;
  /** Instance numbers; in an object beside what is known of each, so that it stays small. */
  instances: { indexes: number[]; bytes: number[]; preferred: number[][]; nodes: string[] };
  firstAttempt: number;
  input: TaskInput;
  output: TaskOutput;
  paused: boolean;
}

export interface TaskRunResult {
  winners: Winners;
  progress: TaskProgress;
  decisions: Decision[];
}

/** The first detail of the failure that a TaskMaster fails with. */
export interface FailedTask {
  task: string;
  progress: TaskProgress;
  decisions: Decision[];
}

/** A Tubo that says nothing for this long is lost; the SDK sends heartbeats at four fifths of it at the latest. */
const HEARTBEAT_TIMEOUT_MS = 8_000;
/** A live Tubo takes a batch at once, as its container was free. */
const START_TIMEOUT_MS = 15_000;

const { exchange } = proxyActivities<Activities>({
  startToCloseTimeout: '10 seconds',
  retry: { initialInterval: '200 milliseconds', maximumInterval: '3 seconds' },
});

export async function fuxiTask(input: TaskRunInput): Promise<TaskRunResult> {
  beginCountingTask();
  const run = new TaskRun(input);
  setHandler(grantSignal, (grant) => run.granted(grant));
  setHandler(containersLostSignal, ({ containers, reason }) => run.event(() => run.master.lose(containers, reason, Date.now())));
  setHandler(resyncSignal, ({ epoch }) => run.resync(epoch));
  setHandler(partialSignal, ({ batch, results, released }) => run.event(() => run.master.partial(batch, results, released, Date.now())));
  setHandler(inputsRepairedSignal, (repaired) => run.repaired(repaired.input, repaired.generation));
  setHandler(controlSignal, (control) => run.controlled(control));
  setHandler(taskProgressQuery, () => run.master.progress);
  return run.main();
}

class TaskRun {
  readonly master: TaskMaster;
  readonly #input: TaskRunInput;
  readonly #batches = new Map<number, { scope: CancellationScope; ended: Promise<void> }>();
  #dirty = true;
  /** Attempts that nobody could kill; the next exchange takes their tokens. */
  #givenUp: AttemptPlace[] = [];
  #source: TaskInput;
  #generation = 0;
  #priority: number;
  #sequence = 0;
  #epoch = '';
  #grantSeen = 0;
  #exchanged = false;
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #told = '';
  /** Done instances that the metrics have. */
  #counted = 0;

  constructor(input: TaskRunInput) {
    const { task, instances } = input;
    this.#input = input;
    this.#source = input.input;
    this.#priority = input.job.priority;
    this.master = new TaskMaster(
      {
        task: task.name,
        instances: instances.indexes.map((index, i) => ({
          index,
          bytes: instances.bytes[i] ?? 0,
          preferred: (instances.preferred[i] ?? []).map((node) => instances.nodes[node]!),
        })),
        maxAttempts: task.maxAttempts,
        backup: task.backup,
        firstAttempt: input.firstAttempt,
      },
      Date.now(),
    );
    this.master.pause(input.paused);
  }

  event(apply: () => void): void {
    apply();
    this.#dirty = true;
  }

  granted({ epoch, number, containers }: GrantSignal): void {
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#grantSeen = 0;
    }
    if (number <= this.#grantSeen) return; // told twice
    this.#grantSeen = number;
    this.event(() => this.master.grant(containers));
  }

  /** FuxiMaster started anew: none of this life's grants has been seen, and it knows nothing of what we hold. */
  resync(epoch: string): void {
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#grantSeen = 0;
    }
    this.event(() => this.master.resync());
  }

  repaired(input: TaskInput, generation: number): void {
    this.#source = input;
    this.#generation = generation;
    this.event(() => this.master.repaired(generation));
  }

  controlled({ paused, priority }: { paused?: boolean; priority?: number }): void {
    this.event(() => {
      if (paused !== undefined) this.master.pause(paused);
      if (priority === undefined || priority === this.#priority) return;
      this.#priority = priority;
      this.master.resync();
    });
  }

  async main(): Promise<TaskRunResult> {
    try {
      for (;;) {
        this.#dirty = false;
        const decisions = this.master.decide(Date.now());
        this.#countDone();
        this.#carryOut(decisions);
        setCurrentDetails(taskDetails(this.#input.task.name, this.master.progress));
        if (decisions.outcome) count('tasks', 1, { outcome: decisions.outcome.kind });
        if (decisions.outcome?.kind === 'failed') throw this.#failure(decisions.outcome);
        if (decisions.outcome) break;
        const tellAtMs = this.#tellJob();
        const wakeAtMs = Math.min(tellAtMs, decisions.wakeAtMs ?? Number.POSITIVE_INFINITY);
        const waitMs = wakeAtMs === Number.POSITIVE_INFINITY ? undefined : Math.max(1, wakeAtMs - Date.now());
        if (waitMs === undefined) await condition(() => this.#dirty);
        else
          await condition(() => this.#dirty, waitMs, {
            summary: 'look again: news for the job, a delay, a straggler or a wait for containers',
          });
      }
    } finally {
      await CancellationScope.nonCancellable(() => this.#windUp());
    }
    const { winners, progress } = this.master;
    return { winners, progress: { ...progress, finishedAtMs: Date.now() }, decisions: this.master.takeNews() };
  }

  #carryOut({ start, cancel, exchange, lost }: Decisions): void {
    for (const id of cancel) this.#batches.get(id)?.scope.cancel();
    for (const batch of start) this.#start(batch);
    if (exchange) void this.#exchange(exchange);
    const { parent, workflowId } = workflowInfo();
    for (const { task, instances } of lost) {
      if (!parent) continue;
      const signal = { task, instances, generation: this.#generation, reader: workflowId };
      void getExternalWorkflowHandle(parent.workflowId, parent.runId).signal(shuffleLostSignal, signal).catch(ignoreCancellation);
    }
  }

  #countDone(): void {
    const { done } = this.master.progress;
    if (done > this.#counted) count('instances', done - this.#counted);
    this.#counted = done;
  }

  #start(batch: Batch): void {
    const again = batch.attempts.filter(({ attempt, backup }) => attempt > this.#input.firstAttempt && !backup).length;
    const backups = batch.attempts.filter(({ backup }) => backup).length;
    if (again > 0) count('retries', again);
    if (backups > 0) count('backups', backups);
    const scope = new CancellationScope();
    const ended = this.#runBatch(batch, scope).finally(() => {
      this.#batches.delete(batch.id);
      this.#dirty = true;
    });
    this.#batches.set(batch.id, { scope, ended });
  }

  async #runBatch(batch: Batch, scope: CancellationScope): Promise<void> {
    const { job, task, output } = this.#input;
    const { workflowId, runId } = workflowInfo();
    const { node } = batch.container;
    const { runBatch } = proxyActivities<NodeActivities>({
      taskQueue: tuboQueue(node),
      startToCloseTimeout: '30 days',
      scheduleToStartTimeout: START_TIMEOUT_MS,
      heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
      retry: { maximumAttempts: 1 },
      cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    });
    const request = {
      job: { workflowId: job.workflowId, runId: job.runId, name: job.name, user: job.user },
      task: task.name,
      taskWorkflowId: workflowId,
      taskRunId: runId,
      batch: batch.id,
      container: batch.container,
      resources: task.resources,
      program: task.program,
      ...(task.package === undefined ? {} : { package: task.package }),
      input: this.#source,
      output,
      attempts: batch.attempts,
      budgetMs: BATCH_BUDGET_MS,
    };
    try {
      const result: BatchResult = await scope.run(() => runBatch.executeWithOptions({ summary: this.#summary(batch) }, [request]));
      this.master.finish(batch.id, result.results, Date.now());
    } catch (error) {
      this.#batchFailed(batch, error);
    }
  }

  #batchFailed(batch: Batch, error: unknown): void {
    const cause = error instanceof ActivityFailure ? error.cause : error;
    const { node } = batch.container;
    if (cause instanceof ApplicationFailure && cause.type === 'AttemptFailed') {
      this.master.finish(batch.id, resultsOf(cause), Date.now());
    } else if (isCancellation(error)) {
      this.master.finish(batch.id, [], Date.now());
    } else if (cause instanceof TimeoutFailure) {
      this.#giveUp(batch);
      this.master.fail(batch.id, 'NodeLost', `nothing was heard from the Tubo on ${node} (${cause.timeoutType})`, Date.now());
    } else {
      this.#giveUp(batch);
      this.master.fail(
        batch.id,
        'NodeLost',
        `the Tubo on ${node} gave up: ${cause instanceof Error ? cause.message : String(cause)}`,
        Date.now(),
      );
    }
  }

  #giveUp({ attempts }: Batch): void {
    const { job, task } = this.#input;
    for (const { instance, attempt } of attempts) this.#givenUp.push({ runId: job.runId, task: task.name, instance, attempt });
  }

  /** Tells FuxiMaster all that we want and hold. Later words overtake earlier ones by their sequence number. */
  async #exchange(exchanged: NonNullable<Decisions['exchange']>): Promise<void> {
    const { task, job } = this.#input;
    const { workflowId, runId } = workflowInfo();
    this.#exchanged = true;
    const givenUp = this.#givenUp;
    this.#givenUp = [];
    const words = {
      taskWorkflowId: workflowId,
      taskRunId: runId,
      sequence: ++this.#sequence,
      epoch: this.#epoch,
      grantSeen: this.#grantSeen,
      user: job.user,
      quotaGroup: job.quotaGroup,
      priority: this.#priority,
      resources: task.resources,
      ...exchanged,
    };
    try {
      const summary = `${task.name}: ${exchanged.want} containers wanted, ${exchanged.holding.length} held`;
      // An answer of before there was one to give has nothing in it.
      const answer: { never?: string } | undefined = await exchange.executeWithOptions(
        { summary },
        givenUp.length > 0 ? [words, givenUp] : [words],
      );
      const never = answer?.never;
      if (never !== undefined) this.event(() => this.master.waitsFor(never, Date.now()));
    } catch (error) {
      this.#givenUp.push(...givenUp);
      ignoreCancellation(error);
    }
  }

  async #windUp(): Promise<void> {
    for (const { scope } of this.#batches.values()) scope.cancel();
    await Promise.all([...this.#batches.values()].map(({ ended }) => ended));
    if (this.#exchanged) await this.#exchange({ want: 0, holding: [], avoid: [], prefer: {} });
  }

  /** Tells the job how far we are, if there is news and it is time. @returns when it will be time for news that had to wait. */
  #tellJob(): number {
    const { parent } = workflowInfo();
    const { progress } = this.master;
    const counts = JSON.stringify(progress);
    if (!parent || counts === this.#told || (progress.containers === 0 && progress.waits === undefined)) return Number.POSITIVE_INFINITY;
    const nowMs = Date.now();
    const dueAtMs = this.#toldAtMs + progressIntervalMs(nowMs - (progress.startedAtMs ?? nowMs));
    if (nowMs < dueAtMs) return dueAtMs;
    this.#toldAtMs = nowMs;
    this.#told = counts;
    const told = { task: this.#input.task.name, shard: this.#input.shard, progress: { ...progress }, decisions: this.master.takeNews() };
    void getExternalWorkflowHandle(parent.workflowId, parent.runId).signal(taskProgressSignal, told).catch(ignoreCancellation);
    return Number.POSITIVE_INFINITY;
  }

  #summary({ attempts, container }: Batch): string {
    const { task, instances } = this.#input;
    const [first] = attempts;
    const which = attempts.length === 1 ? `${first!.instance}` : `${first!.instance}…${attempts.at(-1)!.instance} (${attempts.length})`;
    const extra = [
      ...(first!.attempt > this.#input.firstAttempt ? [`attempt ${first!.attempt}`] : []),
      ...(first!.backup ? ['backup'] : []),
      container.node,
    ];
    return `${task.name} ${which} of ${instances.indexes.length}, ${extra.join(', ')}`;
  }

  #failure({ code, message }: { code: string; message: string }): ApplicationFailure {
    log.warn('task.failed', { task: this.#input.task.name, code, message });
    return ApplicationFailure.create({
      nonRetryable: true,
      type: code,
      message: `${this.#input.task.name}: ${message}`,
      details: [{ task: this.#input.task.name, progress: this.master.progress, decisions: this.master.takeNews() } satisfies FailedTask],
    });
  }
}

/** The activity's failure carries the same value that it would have returned. */
function resultsOf(failure: ApplicationFailure): BatchResult['results'] {
  const [result] = failure.details as [BatchResult];
  return result.results;
}

/** A message that could not be sent because we, or its reader, end anyway needs no handling. */
function ignoreCancellation(error: unknown): void {
  log.debug('message.dropped', { error: String(error) });
}
