/**
 * A rollout: takes the nodes of an application to one release, wave by wave, as the plan says (services/dayu/core/planner.ts). Each wave must pass its
 * gate: every node healthy in time, and all of it healthy for the bake time. A gate that fails takes back what was changed, or waits for a person.
 * However it ends, the application is given back with what became of it.
 */
import {
  ApplicationFailure,
  CancellationScope,
  condition,
  isCancellation,
  metricMeter,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  sleep,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../../activities/index.ts';
import { describeProblems } from '../../services/base/problems.ts';
import {
  DayuError,
  type Deployment,
  type PlanFacts,
  type Rollout,
  type RolloutState as RolloutOutcome,
  type RolloutPhase,
  type RolloutResult,
} from '../../services/dayu/contract.ts';
import { describeChange, oneLine, rolloutDetails } from '../../services/dayu/core/details.ts';
import { plan } from '../../services/dayu/core/planner.ts';
import { parseRollout } from '../../services/dayu/core/rollout.ts';
import { RolloutState, type Stop } from '../../services/dayu/core/rollout-state.ts';
import { ROLLOUT_METRICS } from '../../services/dayu/metrics.ts';
import {
  abortUpdate,
  approveUpdate,
  DESCRIPTIONS,
  pauseUpdate,
  planQuery,
  progressQuery,
  resumeUpdate,
  rollbackUpdate,
} from './messages.ts';
import { agentOf, describeOrderFailure } from './node-orders.ts';
import { SEARCH_ATTRIBUTE_KEYS } from './search-attributes.ts';

const { beginRollout, place, endRollout } = proxyActivities<Pick<Activities, 'beginRollout' | 'place' | 'endRollout'>>({
  startToCloseTimeout: '10 seconds',
  retry: { initialInterval: '200 milliseconds', maximumInterval: '3 seconds' },
});

/** Each try is itself several tries of the activity. A node that is gone costs a minute and more each time, in which the others wait for their turn. */
const TAKE_BACK_TRIES = 4;
const TAKE_BACK_TRIES_LOST = 2;
const REASON_MAX = 4_000;
const WHY_MAX = 500;

export async function dayuRollout(document: unknown): Promise<RolloutResult> {
  const parsed = parseRollout(document);
  if (!parsed.ok) {
    const lines = parsed.problems.map(({ path, message }) => `- \`${path || 'document'}\`: ${message}`);
    setCurrentDetails(`**InvalidRollout**\n\n${lines.join('\n')}`);
    const message = describeProblems(parsed.problems);
    throw ApplicationFailure.create({ nonRetryable: true, type: 'InvalidRollout', message, details: [parsed.problems] });
  }
  const run = new RolloutRun(parsed.rollout);
  const { state } = run;
  setHandler(progressQuery, () => state.progress(), { description: DESCRIPTIONS.progress });
  setHandler(planQuery, () => state.plan ?? null, { description: DESCRIPTIONS.plan });
  setHandler(pauseUpdate, () => run.told(() => state.pause()), {
    validator: () => state.assertCanPause(),
    description: DESCRIPTIONS.pause,
  });
  setHandler(resumeUpdate, () => run.told(() => state.resume()), {
    validator: () => state.assertCanResume(),
    description: DESCRIPTIONS.resume,
  });
  setHandler(approveUpdate, () => run.told(() => state.approve()), {
    validator: () => state.assertCanApprove(),
    description: DESCRIPTIONS.approve,
  });
  setHandler(abortUpdate, () => run.stop({ kind: 'abort', reason: 'aborted on request' }), {
    validator: () => state.assertCanStop(),
    description: DESCRIPTIONS.abort,
  });
  setHandler(rollbackUpdate, () => run.stop({ kind: 'rollback', reason: 'rolled back on request' }), {
    validator: () => state.assertCanStop(),
    description: DESCRIPTIONS.rollback,
  });
  return run.main();
}

class RolloutRun {
  readonly state: RolloutState;
  readonly #rollout: Rollout;
  readonly #self = { workflowId: workflowInfo().workflowId, runId: workflowInfo().runId };
  #facts: PlanFacts | undefined;
  /** What a stop of any kind cuts off, and what only a rollback does: a node that was begun is not left half done by an abort. */
  #interruptible!: CancellationScope;
  #deploying!: CancellationScope;
  #cancellation: unknown;
  #phaseTold: RolloutPhase = 'planning';

  constructor(rollout: Rollout) {
    this.#rollout = rollout;
    this.state = new RolloutState(rollout, Date.now());
  }

  /** A cancellation by Temporal is one more way to be told to stop; what must be finished after it is finished. */
  async main(): Promise<RolloutResult> {
    CancellationScope.current().cancelRequested.catch((error) => {
      this.#cancellation = error;
      this.stop({ kind: 'abort', reason: 'cancelled' });
    });
    return await CancellationScope.nonCancellable(() => this.#main());
  }

  async #main(): Promise<RolloutResult> {
    this.#interruptible = new CancellationScope();
    this.#deploying = new CancellationScope();
    const { application, version, user } = this.#rollout;
    for (const outcome of ['done', 'unchanged', 'rolledBack', 'aborted', 'failed'] as const) this.#count(outcome, 0);
    upsertSearchAttributes([
      { key: SEARCH_ATTRIBUTE_KEYS.application, value: application },
      { key: SEARCH_ATTRIBUTE_KEYS.version, value: version },
      { key: SEARCH_ATTRIBUTE_KEYS.user, value: user },
      { key: SEARCH_ATTRIBUTE_KEYS.phase, value: 'planning' },
    ]);
    try {
      await this.#begin();
      await this.#roll();
      await this.#conclude();
    } catch (error) {
      if (!this.state.ended) this.#enter('failed', rootOf(error).message);
      throw explained(error);
    } finally {
      const { outcome, reason = '' } = this.state.result();
      if (this.#facts || this.state.stopped) await this.#end(outcome, reason); // else it was refused, and never had it
      this.#count(outcome, 1);
    }
    if (this.#cancellation && this.state.stopped?.kind === 'abort') throw this.#cancellation;
    return this.state.result();
  }

  // ---- the way there ----

  async #begin(): Promise<void> {
    this.#show();
    const rollout = this.#rollout;
    const summary = `begin ${rollout.application} ${rollout.version}`;
    try {
      this.#facts = await this.#interruptible.run(() => beginRollout.executeWithOptions({ summary }, [{ ...this.#self, rollout }]));
    } catch (error) {
      if (this.state.stopped && isCancellation(error)) return;
      throw error;
    }
    this.state.planned(plan(rollout, this.#facts));
    this.#show();
  }

  async #roll(): Promise<void> {
    const { state } = this;
    for (let wave = 1; wave <= (state.plan?.waves.length ?? 0) && !state.stopped; wave++) {
      state.beginWave(wave);
      await this.#passWave(wave);
      if (state.stopped || !state.needsApproval(wave)) continue;
      this.#enter('waiting');
      await condition(() => state.stopped !== undefined || (state.approved && !state.paused));
    }
  }

  /** Until its gate lets it through, or the rollout is stopped. */
  async #passWave(wave: number): Promise<void> {
    const { state } = this;
    while (!state.stopped) {
      this.#enter('rolling');
      await this.#deployWave(wave);
      if (!state.stopped && state.gateFailure(wave) === undefined) await this.#bake(wave);
      const failure = state.gateFailure(wave);
      if (state.stopped || failure === undefined) return;
      if (this.#rollout.onFailure === 'rollback') return this.stop({ kind: 'gate', reason: failure });
      this.told(() => state.holdAt(failure));
      await condition(() => !state.paused);
    }
  }

  async #deployWave(wave: number): Promise<void> {
    const { state } = this;
    const started: Promise<void>[] = [];
    for (;;) {
      await condition(() => state.next(wave) !== undefined || state.settled(wave));
      const node = state.next(wave);
      if (node === undefined) break;
      state.becomeDeploying(node);
      started.push(this.#deploy(node, wave));
    }
    await Promise.all(started);
  }

  async #deploy(node: string, wave: number): Promise<void> {
    const { deployment } = this.#facts!;
    const { from, to } = this.state.step(node);
    const name = this.state.waveName(wave);
    const { healthyWithinMs } = this.#rollout.gate;
    this.#show();
    try {
      const why = `${this.#self.workflowId}, ${name}`;
      await this.#place(node, deployment, why, { settled: false });
      const summary = `${name}, ${node}: ${describeChange(from, to)}`;
      await this.#deploying.run(() => agentOf(node).deploy.executeWithOptions({ summary }, [{ deployment, healthyWithinMs }]));
      await this.#place(node, deployment, why);
      this.state.becomeHealthy(node);
    } catch (error) {
      this.state.becomeFailed(node, isCancellation(error) ? 'cut off' : describeOrderFailure(node, error));
    }
    this.#show();
  }

  /** Whoever falls ill first is why the gate fails; the others need not be watched to the end. */
  async #bake(wave: number): Promise<void> {
    const { bakeMs } = this.#rollout.gate;
    const { application } = this.#rollout;
    this.#enter('baking');
    if (bakeMs === 0) return;
    const scope = new CancellationScope({ cancellable: true, parent: this.#interruptible });
    const watch = async (node: string): Promise<void> => {
      const summary = `${this.state.waveName(wave)}, ${node}: healthy for ${bakeMs / 1000} s`;
      try {
        await agentOf(node).observe.executeWithOptions({ summary }, [{ application, ms: bakeMs }]);
      } catch (error) {
        if (!isCancellation(error)) this.state.becomeFailed(node, describeOrderFailure(node, error));
        scope.cancel();
      }
    };
    await scope.run(() => Promise.all(this.state.nodesOf(wave).map(watch)));
  }

  // ---- the ends ----

  async #conclude(): Promise<void> {
    const { state } = this;
    const { stopped } = state;
    if (!stopped) return this.#enter(state.plan!.waves.length > 0 ? 'done' : 'unchanged');
    if (stopped.kind === 'abort') return this.#enter('aborted', stopped.reason);
    const { application, version } = this.#rollout;
    this.#enter('rollingBack', stopped.reason);
    const left = await this.#takeAllBack(stopped.reason);
    if (left.length > 0) {
      const reason = `${stopped.reason}; not rolled back: ${left.join('; ')}`;
      this.#enter('failed', reason);
      throw ApplicationFailure.create({
        nonRetryable: true,
        type: 'RollbackFailed',
        message: `${application} ${version}: ${reason}`,
        details: [state.result()],
      });
    }
    this.#enter('rolledBack', stopped.reason);
    if (stopped.kind !== 'gate') return;
    throw ApplicationFailure.create({
      nonRetryable: true,
      type: 'RolledBack',
      message: `${application} ${version} was rolled back: ${stopped.reason}`,
      details: [state.result()],
    });
  }

  /** @returns what could not be taken back, with the reason. One that can't be does not keep the others from it. */
  async #takeAllBack(reason: string): Promise<string[]> {
    const queue = this.state.changed();
    const left: string[] = [];
    const work = async (): Promise<void> => {
      for (let node = queue.shift(); node !== undefined; node = queue.shift()) {
        const failure = await this.#takeBack(node, reason);
        if (failure !== undefined) left.push(`${node}: ${failure}`);
      }
    };
    await Promise.all(Array.from({ length: this.state.plan?.maxUnavailable ?? 0 }, work));
    return left;
  }

  async #takeBack(node: string, reason: string): Promise<string | undefined> {
    const { application, gate } = this.#rollout;
    const { from, to } = this.state.step(node);
    const summary = `roll back, ${node}: ${to} → ${from ?? '(none)'}`;
    const agent = agentOf(node);
    this.state.becomeRollingBack(node);
    this.#show();
    for (let attempt = 1; ; attempt++) {
      try {
        const deployment = this.#before(node);
        if (deployment) await agent.deploy.executeWithOptions({ summary }, [{ deployment, healthyWithinMs: gate.healthyWithinMs }]);
        else await agent.removeApplication.executeWithOptions({ summary }, [{ application }]);
        await this.#place(node, deployment, `rolled back: ${oneLine(reason)}`);
        this.state.becomeRolledBack(node);
        return this.#show();
      } catch (error) {
        const failure = describeOrderFailure(node, error);
        if (attempt >= (failure.startsWith('NodeLost: ') ? TAKE_BACK_TRIES_LOST : TAKE_BACK_TRIES)) {
          this.state.becomeFailed(node, failure);
          this.#show();
          return failure;
        }
        await sleep(2 ** attempt * 500, { summary: `roll back, ${node}: try ${attempt + 1} after ${oneLine(failure)}` });
      }
    }
  }

  /** What a node ran when the rollout began; undefined when that was nothing. */
  #before(node: string): Deployment | undefined {
    const { placements, earlier } = this.#facts!;
    const placement = placements.find((each) => each.node === node);
    return (
      placement &&
      earlier.find((each) => each.release.version === placement.version && each.configuration.version === placement.configuration)
    );
  }

  async #place(node: string, deployment: Deployment | undefined, why: string, { settled } = { settled: true }): Promise<void> {
    const { application } = this.#rollout;
    const version = deployment?.release.version;
    const request = {
      ...this.#self,
      application,
      node,
      ...(version === undefined ? {} : { version }),
      configuration: deployment?.configuration.version ?? 0,
      settled,
      why: why.slice(0, WHY_MAX),
    };
    await place.executeWithOptions({ summary: `write down: ${node} ${settled ? 'runs' : 'is to run'} ${version ?? 'nothing'}` }, [request]);
  }

  async #end(state: Exclude<RolloutOutcome, 'running'>, reason: string): Promise<void> {
    const request = { ...this.#self, state, reason: reason.slice(0, REASON_MAX) };
    await endRollout.executeWithOptions({ summary: `give ${this.#rollout.application} back: ${state}` }, [request]);
  }

  /** With 0 it is there before it is 1, so that the first of its kind shows as a rise. */
  #count(outcome: RolloutResult['outcome'] | 'failed', ended: 0 | 1): void {
    const { name, help } = ROLLOUT_METRICS.rollouts;
    metricMeter.createCounter(name, undefined, help).add(ended, { application: this.#rollout.application, outcome });
  }

  // ---- people ----

  told(apply: () => void): void {
    apply();
    this.#tellPhase();
  }

  stop(stop: Stop): void {
    if (this.state.ended || this.state.stopped) return;
    this.told(() => this.state.stop(stop));
    this.#interruptible.cancel();
    if (stop.kind === 'rollback') this.#deploying.cancel();
  }

  #enter(phase: Exclude<RolloutPhase, 'paused'>, reason?: string): void {
    this.state.enter(phase, Date.now(), reason);
    this.#tellPhase();
  }

  #tellPhase(): void {
    const { phase } = this.state;
    if (phase !== this.#phaseTold) upsertSearchAttributes([{ key: SEARCH_ATTRIBUTE_KEYS.phase, value: phase }]);
    this.#phaseTold = phase;
    this.#show();
  }

  #show(): undefined {
    setCurrentDetails(rolloutDetails(this.state.progress(), this.state.plan));
  }
}

function rootOf(error: unknown): Error {
  let root = error as Error;
  while (root.cause instanceof Error && !(root instanceof ApplicationFailure)) root = root.cause;
  return root;
}

/** The cause that a person can act on becomes the rollout's own failure. */
function explained(error: unknown): unknown {
  const root = rootOf(error);
  if (root instanceof DayuError)
    return ApplicationFailure.create({ nonRetryable: true, type: root.code, message: root.message, details: [root.details] });
  if (!(root instanceof ApplicationFailure)) return error;
  const { type, message, details } = root;
  return ApplicationFailure.create({ nonRetryable: true, type: type ?? 'RolloutFailed', message, details: details ?? [] });
}
