/** What a repair, a balance and a drain have in common: who hears of them, how they are paused and paced, how they go on in a new run, how they end. */
import {
  ActivityCancellationType,
  ApplicationFailure,
  allHandlersFinished,
  CancellationScope,
  CancelledFailure,
  ContinueAsNew,
  condition,
  continueAsNew,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../../activities/index.ts';
import { describeProblems } from '../../services/base/problems.ts';
import { workDetails } from '../../services/pangu/core/work-details.ts';
import { WorkState, workStepMs } from '../../services/pangu/core/work-state.ts';
import { parseWork, type Work, type WorkKind, type WorkResult, type WorkStep } from '../../services/pangu/work-contract.ts';
import { SEARCH_ATTRIBUTE_KEYS } from '../fuxi/search-attributes.ts';
import { DESCRIPTIONS, pauseUpdate, resumeUpdate, setRateUpdate, workPlanQuery, workProgressQuery } from './messages.ts';

const RETRY = { initialInterval: '200 milliseconds', maximumInterval: '5 seconds' } as const;

export const quick = proxyActivities<Activities>({ startToCloseTimeout: '60 seconds', retry: RETRY });
/** A step that is told to stop says what it did before it does. */
export const steps = proxyActivities<Activities>({
  startToCloseTimeout: '1 day',
  heartbeatTimeout: '15 seconds',
  retry: RETRY,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
});

export class WorkRun {
  readonly work: Work;
  readonly state: WorkState;
  readonly #kind: WorkKind;
  /** What a pause or another pace cuts short. */
  readonly #stepping = new Set<CancellationScope>();
  #steps = 0;

  constructor(kind: WorkKind, document: unknown) {
    const parsed = parseWork(kind, document);
    if (!parsed.ok) {
      setCurrentDetails(`**InvalidWork**\n\n${parsed.problems.map(({ path, message }) => `- \`${path}\`: ${message}`).join('\n')}`);
      throw ApplicationFailure.create({ nonRetryable: true, type: 'InvalidWork', message: describeProblems(parsed.problems) });
    }
    this.#kind = kind;
    this.work = parsed.work;
    this.state = new WorkState(kind, this.work, Date.now());
  }

  /** `body` does the work with `step`; `undo` makes a work that is cancelled, or cannot be done, as if nobody had asked; `release` comes after either end. */
  async main(
    body: () => Promise<'done' | 'incomplete'>,
    end: { undo?: () => Promise<void>; release?: () => Promise<void> } = {},
  ): Promise<WorkResult> {
    this.#begin();
    try {
      if (!this.state.plan) {
        const { nodes } = this.work;
        this.state.planned(
          await quick.planWork.executeWithOptions({ summary: 'look at what is to be done' }, [{ kind: this.#kind, nodes }]),
        );
      }
      this.show();
      const outcome = await body();
      this.#end(outcome, outcome === 'done' ? '' : this.state.progress().message);
      return this.state.result(outcome);
    } catch (error) {
      if (error instanceof ContinueAsNew) throw error;
      await CancellationScope.nonCancellable(async () => {
        await end.undo?.();
        if (isCancellation(error)) this.#end('cancelled', 'cancelled; what was copied stays copied');
        else this.#end('failed', rootOf(error).message);
      });
      throw explained(error);
    } finally {
      if (this.state.over) await CancellationScope.nonCancellable(async () => end.release?.());
    }
  }

  /**
   * Runs one step and takes down what it did. Waits before it while the work is paused. One that was cut short is told like any other.
   * `of`: what it is a step of, when several run side by side.
   */
  async step(of: string, run: (stepMs: number) => Promise<WorkStep>): Promise<WorkStep> {
    for (;;) {
      await condition(() => !this.state.paused);
      const scope = new CancellationScope();
      this.#stepping.add(scope);
      try {
        const step = await scope.run(() => run(workStepMs(this.#steps++)));
        this.state.stepped(of, step);
        this.show();
        if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('cancelled');
        return step;
      } catch (error) {
        // Cut short before it had begun.
        if (!isCancellation(error) || CancellationScope.current().consideredCancelled) throw error;
      } finally {
        this.#stepping.delete(scope);
      }
    }
  }

  /** Goes on in a new run when this one's history has become long. To be called between steps. */
  async maybeContinue(type: (document: unknown) => Promise<WorkResult>): Promise<void> {
    if (!workflowInfo().continueAsNewSuggested) return;
    await condition(allHandlersFinished);
    const { user, nodes } = this.work;
    const { bytesPerSecond, carried } = this.state;
    await continueAsNew<typeof type>({ user, nodes, ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }), carried });
  }

  show(): void {
    const progress = this.state.progress();
    setCurrentDetails(workDetails(progress, this.state.plan));
  }

  #begin(): void {
    setHandler(workProgressQuery, () => this.state.progress(), { description: DESCRIPTIONS.progress });
    setHandler(workPlanQuery, () => this.state.plan ?? null, { description: DESCRIPTIONS.plan });
    const validator = (): void => this.#assertRunning();
    setHandler(pauseUpdate, () => this.#pause(true), { validator, description: DESCRIPTIONS.pause });
    setHandler(resumeUpdate, () => this.#pause(false), { validator, description: DESCRIPTIONS.resume });
    setHandler(setRateUpdate, (bytesPerSecond) => this.#setRate(bytesPerSecond), {
      validator: (bytesPerSecond) => {
        this.#assertRunning();
        if (bytesPerSecond !== null && !(Number.isSafeInteger(bytesPerSecond) && bytesPerSecond > 0))
          throw new Error('a rate is a whole number of bytes a second above 0, or null');
      },
      description: DESCRIPTIONS.setRate,
    });
    upsertSearchAttributes([{ key: SEARCH_ATTRIBUTE_KEYS.user, value: this.work.user }]);
    this.#told();
  }

  #assertRunning(): void {
    if (this.state.over) throw new Error(`it is ${this.state.phase} already`);
  }

  #pause(paused: boolean): void {
    this.state.paused = paused;
    if (paused) this.#cutShort();
    this.#told();
  }

  #setRate(bytesPerSecond: number | null): void {
    this.state.bytesPerSecond = bytesPerSecond ?? undefined;
    this.#cutShort();
    this.#told();
  }

  #cutShort(): void {
    for (const scope of this.#stepping) scope.cancel();
  }

  #end(phase: Parameters<WorkState['ended']>[0], message: string): void {
    this.state.ended(phase, message, Date.now());
    this.#told();
  }

  #told(): void {
    this.show();
    upsertSearchAttributes([{ key: SEARCH_ATTRIBUTE_KEYS.phase, value: this.state.phase }]);
  }
}

/** The cause that a person can act on becomes the workflow's own failure. */
function explained(error: unknown): unknown {
  const root = rootOf(error);
  if (isCancellation(error) || !(root instanceof ApplicationFailure)) return error;
  return ApplicationFailure.create({ nonRetryable: true, type: root.type ?? 'WorkFailed', message: root.message });
}

function rootOf(error: unknown): Error {
  let root = error as Error;
  while (root.cause instanceof Error && !(root instanceof ApplicationFailure)) root = root.cause;
  return root;
}
