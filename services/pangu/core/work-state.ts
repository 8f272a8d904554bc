import type { Work, WorkKind, WorkPhase, WorkPlan, WorkProgress, WorkResult, WorkStep } from '../work-contract.ts';

/** How a repair, a balance or a drain stands: the answers to its queries, and what may be asked of it. Plain state; the workflow moves it. */
const OVER: readonly WorkPhase[] = ['done', 'incomplete', 'failed', 'cancelled'];

export class WorkState {
  readonly kind: WorkKind;
  plan: WorkPlan | undefined;
  paused: boolean;
  bytesPerSecond: number | undefined;
  #phase: WorkPhase = 'planning';
  #message = '';
  #replicas: number;
  #bytes: number;
  /** By what the steps are of: a node, or all. */
  readonly #left = new Map<string, { replicas: number; bytes: number; waiting: string }>();
  readonly #startedAtMs: number;
  #finishedAtMs: number | undefined;

  constructor(kind: WorkKind, { bytesPerSecond, carried }: Work, nowMs: number) {
    this.kind = kind;
    this.bytesPerSecond = bytesPerSecond;
    this.plan = carried?.plan;
    this.paused = carried?.paused ?? false;
    this.#replicas = carried?.replicas ?? 0;
    this.#bytes = carried?.bytes ?? 0;
    this.#startedAtMs = carried?.startedAtMs ?? nowMs;
    if (this.plan) this.#left.set('all', { replicas: this.plan.replicas, bytes: this.plan.bytes, waiting: '' });
  }

  planned(plan: WorkPlan): void {
    this.plan = plan;
    this.#phase = 'running';
    this.#left.set('all', { replicas: plan.replicas, bytes: plan.bytes, waiting: '' });
  }

  stepped(of: string, step: WorkStep): void {
    this.#phase = 'running';
    this.#replicas += step.replicas;
    this.#bytes += step.bytes;
    if (of !== 'all') this.#left.delete('all');
    this.#left.set(of, { replicas: step.replicasLeft, bytes: step.bytesLeft, waiting: step.waiting });
  }

  ended(phase: 'done' | 'incomplete' | 'failed' | 'cancelled', message: string, nowMs: number): void {
    this.#phase = phase;
    this.#message = message;
    this.#finishedAtMs = nowMs;
    if (phase === 'done') this.#left.clear();
  }

  get over(): boolean {
    return OVER.includes(this.#phase);
  }

  get phase(): WorkPhase {
    return this.paused && !this.over ? 'paused' : this.#phase;
  }

  /** For the run that goes on. */
  get carried(): NonNullable<Work['carried']> {
    const { plan, paused } = this;
    return { startedAtMs: this.#startedAtMs, replicas: this.#replicas, bytes: this.#bytes, paused, plan };
  }

  progress(): WorkProgress {
    const left = [...this.#left.values()];
    return {
      kind: this.kind,
      phase: this.phase,
      replicas: this.#replicas,
      bytes: this.#bytes,
      replicasLeft: left.reduce((sum, { replicas }) => sum + replicas, 0),
      bytesLeft: left.reduce((sum, { bytes }) => sum + bytes, 0),
      bytesPerSecond: this.bytesPerSecond ?? null,
      message:
        this.#message ||
        [...this.#left].flatMap(([of, { waiting }]) => (waiting ? [of === 'all' ? waiting : `${of}: ${waiting}`] : [])).join('; '),
      startedAtMs: this.#startedAtMs,
      ...(this.#finishedAtMs === undefined ? {} : { finishedAtMs: this.#finishedAtMs }),
    };
  }

  result(outcome: WorkResult['outcome']): WorkResult {
    const { replicas, bytes, replicasLeft, bytesLeft, message } = this.progress();
    return { outcome, replicas, bytes, replicasLeft, bytesLeft, message };
  }
}

/**
 * How long one step may take: short at first, so that its progress is seen soon; then longer, so that a work of days stays below some thousand events.
 * A pause or another pace cuts a step short, whatever its length.
 */
export function workStepMs(step: number): number {
  if (step < 10) return 3_000;
  if (step < 200) return 15_000;
  return step < 600 ? 60_000 : 600_000;
}
