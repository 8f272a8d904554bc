/**
 * What a running rollout knows of itself: where each node is, what may start now, what may be asked of it. Plain state; the workflow moves it.
 *
 * Invariants:
 *  1. Nodes *out of service* (deploying, failed or rollingBack) are at most `maxUnavailable` while it goes forward: a node that failed keeps its place,
 *     so that trying it again costs no more.
 *  2. A step moves only as `MOVES` says, a phase only as `PHASES` says.
 *  3. After `stop` nothing goes forward any more.
 */
import { assertInvariant } from '../../base/assert.ts';
import {
  DayuError,
  type Rollout,
  type RolloutPhase,
  type RolloutPlan,
  type RolloutProgress,
  type RolloutResult,
  type StepState,
} from '../contract.ts';

const MOVES: Readonly<Record<StepState, readonly StepState[]>> = {
  pending: ['deploying'],
  deploying: ['healthy', 'failed'],
  healthy: ['failed', 'rollingBack'],
  failed: ['deploying', 'rollingBack'],
  rollingBack: ['rolledBack', 'failed'],
  rolledBack: [],
};

/** `paused` is no phase of its own here: it lies over the one in which the rollout was paused. */
type Phase = Exclude<RolloutPhase, 'paused'>;
const ENDS = ['done', 'unchanged', 'rolledBack', 'aborted', 'failed'] as const satisfies Phase[];
const PHASES: Readonly<Record<Phase, readonly Phase[]>> = {
  planning: ['rolling', 'unchanged', 'aborted', 'rollingBack', 'failed'],
  rolling: ['baking', 'rollingBack', 'aborted', 'failed'],
  baking: ['rolling', 'waiting', 'done', 'rollingBack', 'aborted', 'failed'],
  waiting: ['rolling', 'rollingBack', 'aborted', 'failed'],
  rollingBack: ['rolledBack', 'failed'],
  done: [],
  unchanged: [],
  rolledBack: [],
  aborted: [],
  failed: [],
};

/** Why it goes no further: a person or a cancellation said so, or a gate failed. */
export type Stop = { kind: 'abort' | 'rollback' | 'gate'; reason: string };

interface Step {
  state: StepState;
  from?: string;
  to: string;
  /** From 1. */
  wave: number;
  message?: string;
  /** Failed in this try of its wave: nothing else starts. Once it was resumed, such a step is begun anew. */
  fresh?: boolean;
}

export class RolloutState {
  plan: RolloutPlan | undefined;
  stopped: Stop | undefined;
  paused = false;
  approved = false;
  #phase: Phase = 'planning';
  #wave = 0;
  readonly #rollout: Rollout;
  readonly #startedAtMs: number;
  readonly #steps = new Map<string, Step>();
  /** Nodes in the order in which they were last touched. */
  readonly #touched: string[] = [];
  #reason: string | undefined;
  #finishedAtMs: number | undefined;

  constructor(rollout: Rollout, nowMs: number) {
    this.#rollout = rollout;
    this.#startedAtMs = nowMs;
  }

  get phase(): RolloutPhase {
    return this.paused && !this.ended ? 'paused' : this.#phase;
  }

  get ended(): boolean {
    return (ENDS as readonly Phase[]).includes(this.#phase);
  }

  // ---- the course of the rollout ----

  planned(plan: RolloutPlan): void {
    this.plan = plan;
    for (const [i, { steps }] of plan.waves.entries())
      for (const { node, ...step } of steps) this.#steps.set(node, { ...step, state: 'pending', wave: i + 1 });
  }

  enter(phase: Phase, nowMs: number, reason?: string): void {
    if (phase === this.#phase) return; // a wave that is tried again
    assertInvariant(PHASES[this.#phase].includes(phase), `a rollout does not go from ${this.#phase} to ${phase}`);
    this.#phase = phase;
    if (reason !== undefined) this.#reason = reason;
    if (this.ended) this.#finishedAtMs = nowMs;
  }

  beginWave(wave: number): void {
    this.#wave = wave;
  }

  becomeDeploying(node: string): void {
    this.#move(node, 'deploying');
    this.#touch(node);
  }

  becomeHealthy(node: string): void {
    this.#move(node, 'healthy');
  }

  becomeFailed(node: string, message: string): void {
    this.#move(node, 'failed', message);
    this.#step(node).fresh = true;
  }

  becomeRollingBack(node: string): void {
    this.#move(node, 'rollingBack', this.#step(node).message);
  }

  becomeRolledBack(node: string): void {
    this.#move(node, 'rolledBack', this.#step(node).message);
  }

  /** A gate failed and a person is to decide. */
  holdAt(reason: string): void {
    this.paused = true;
    this.#reason = reason;
  }

  stop(stop: Stop): void {
    this.stopped ??= stop;
    this.paused = false;
    this.#reason = this.stopped.reason;
  }

  pause(): void {
    this.paused = true;
  }

  /** Steps that failed are tried again. */
  resume(): void {
    this.paused = false;
    this.#reason = undefined;
    for (const step of this.#steps.values()) step.fresh = false;
  }

  approve(): void {
    this.approved = true;
  }

  // ---- what may happen now ----

  /** A node of this wave (from 1) that may be deployed to now. */
  next(wave: number): string | undefined {
    if (this.stopped || this.paused || this.gateFailure(wave) !== undefined) return undefined;
    const ofWave = this.#ofWave(wave);
    const again = ofWave.find(([, { state }]) => state === 'failed'); // out of service already
    if (again) return again[0];
    if (this.outOfService().length >= this.plan!.maxUnavailable) return undefined;
    return ofWave.find(([, { state }]) => state === 'pending')?.[0];
  }

  /** Nothing of this wave is under way, and nothing will begin by itself. */
  settled(wave: number): boolean {
    const ofWave = this.#ofWave(wave);
    if (ofWave.some(([, { state }]) => state === 'deploying')) return false;
    return this.stopped !== undefined || this.gateFailure(wave) !== undefined || ofWave.every(([, { state }]) => state === 'healthy');
  }

  /** Why the wave may not pass its gate: `canary node-1: StartFailed: …`. */
  gateFailure(wave: number): string | undefined {
    const failed = this.#ofWave(wave).find(([, { state, fresh }]) => state === 'failed' && fresh);
    return failed && `${this.#kindOf(wave)}${this.#kindOf(wave) === 'wave' ? ` ${wave},` : ''} ${failed[0]}: ${failed[1].message}`;
  }

  outOfService(): string[] {
    return [...this.#steps]
      .filter(([, { state }]) => state === 'deploying' || state === 'failed' || state === 'rollingBack')
      .map(([node]) => node);
  }

  nodesOf(wave: number): string[] {
    return this.#ofWave(wave).map(([node]) => node);
  }

  /** Nodes to be taken back, in this order: those out of service, whose loss costs no more, then the newest. */
  changed(): string[] {
    const newestFirst = [...this.#touched].reverse();
    const isFailed = (node: string): boolean => this.#step(node).state === 'failed';
    return [...newestFirst.filter(isFailed), ...newestFirst.filter((node) => !isFailed(node))];
  }

  /** Whether a person is to approve before the wave after this one. */
  needsApproval(wave: number): boolean {
    const [current, next] = [this.plan!.waves[wave - 1], this.plan!.waves[wave]];
    return this.#rollout.approval && !this.approved && current?.kind === 'canary' && next?.kind === 'wave';
  }

  // ---- answers ----

  /** `wave 2/3`. */
  waveName(wave: number): string {
    return `${this.#kindOf(wave)} ${wave}/${this.plan!.waves.length}`;
  }

  step(node: string): Readonly<Step> {
    return this.#step(node);
  }

  progress(): RolloutProgress {
    const { application, version } = this.#rollout;
    const nodes: RolloutProgress['nodes'] = {};
    for (const [node, { fresh: _fresh, ...step }] of this.#steps) nodes[node] = step;
    return {
      application,
      version,
      phase: this.phase,
      wave: this.#wave,
      waves: this.plan?.waves.length ?? 0,
      nodes,
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
      startedAtMs: this.#startedAtMs,
      ...(this.#finishedAtMs === undefined ? {} : { finishedAtMs: this.#finishedAtMs }),
    };
  }

  /** `nodes`: what each target is meant to run now; targets that are meant to run nothing are left out. */
  result(): RolloutResult {
    const nodes: Record<string, string> = {};
    for (const node of this.plan?.unchanged ?? []) nodes[node] = this.#rollout.version;
    for (const [node, { state, from, to }] of this.#steps) {
      const runs = state === 'healthy' ? to : from;
      if (runs !== undefined) nodes[node] = runs;
    }
    const outcome = this.#phase as RolloutResult['outcome'];
    return { outcome, nodes, ...(this.#reason === undefined ? {} : { reason: this.#reason }) };
  }

  // ---- what may be asked ----

  assertCanPause(): void {
    this.#assertGoesForward();
    if (this.paused) throw new DayuError('InvalidRollout', 'the rollout is paused already');
  }

  assertCanResume(): void {
    this.#assertGoesForward();
    if (!this.paused) throw new DayuError('InvalidRollout', 'the rollout is not paused');
  }

  assertCanApprove(): void {
    this.#assertGoesForward();
    if (this.#phase !== 'waiting') throw new DayuError('InvalidRollout', `nothing waits to be approved: the rollout is ${this.phase}`);
    if (this.approved) throw new DayuError('InvalidRollout', 'the rollout is approved already');
  }

  /** For `abort` and `rollback`. */
  assertCanStop(): void {
    this.#assertGoesForward();
  }

  #assertGoesForward(): void {
    if (this.ended || this.#phase === 'rollingBack') throw new DayuError('InvalidRollout', `the rollout is ${this.#phase}`);
    if (this.stopped) throw new DayuError('InvalidRollout', `the rollout is being stopped: ${this.stopped.reason}`);
  }

  #kindOf(wave: number): string {
    return this.plan!.waves[wave - 1]!.kind;
  }

  #ofWave(wave: number): [string, Step][] {
    return [...this.#steps].filter(([, step]) => step.wave === wave);
  }

  #step(node: string): Step {
    const step = this.#steps.get(node);
    assertInvariant(step, `${node} is in the plan`);
    return step;
  }

  #move(node: string, state: StepState, message?: string): void {
    const step = this.#step(node);
    assertInvariant(MOVES[step.state].includes(state), `${node} does not go from ${step.state} to ${state}`);
    step.state = state;
    if (message === undefined) delete step.message;
    else step.message = message;
  }

  #touch(node: string): void {
    const at = this.#touched.indexOf(node);
    if (at >= 0) this.#touched.splice(at, 1);
    this.#touched.push(node);
  }
}
