/** How an expansion or a shrinking stands: the answers to its queries, and what may be asked of it. Plain state; the workflow moves it. */
import { DayuError } from '../contract.ts';
import type { MoveStep, NodeProgress, NodesPhase, NodesPlan, NodesProgress, NodesResult } from '../nodes-contract.ts';

const OVER: readonly NodesPhase[] = ['done', 'aborted', 'failed'];
/** Once nodes leave there is no way back. */
const TOO_LATE: readonly NodesPhase[] = ['leaving', 'removing', ...OVER];

export class NodesState {
  readonly kind: NodesProgress['kind'];
  phase: NodesPhase = 'checking';
  plan: NodesPlan | undefined;
  /** Somebody asked for it; what is under way ends first. */
  aborting = false;
  readonly #startedAtMs: number;
  readonly #nodes = new Map<string, NodeProgress>();
  #reason: string | undefined;
  #finishedAtMs: number | undefined;

  constructor(kind: NodesProgress['kind'], nodes: readonly { id: string; rack: string }[], nowMs: number) {
    this.kind = kind;
    this.#startedAtMs = nowMs;
    for (const { id, rack } of nodes)
      this.#nodes.set(id, { rack, state: 'waiting', replicasMoved: 0, bytesMoved: 0, replicasLeft: 0, bytesLeft: 0 });
  }

  get #code(): 'InvalidExpand' | 'InvalidShrink' {
    return this.kind === 'expand' ? 'InvalidExpand' : 'InvalidShrink';
  }

  /** The message goes unless there is a new one. */
  set(id: string, { message, ...changed }: Partial<NodeProgress>): void {
    const { message: _, ...node } = this.#nodes.get(id)!;
    this.#nodes.set(id, { ...node, ...changed, ...(message ? { message } : {}) });
  }

  moved(id: string, step: MoveStep): void {
    const { replicasMoved, bytesMoved } = this.#nodes.get(id)!;
    this.set(id, {
      replicasMoved: replicasMoved + step.replicasMoved,
      bytesMoved: bytesMoved + step.bytesMoved,
      replicasLeft: step.replicasLeft,
      bytesLeft: step.bytesLeft,
      message: step.waiting,
    });
  }

  ended(phase: 'done' | 'aborted' | 'failed', reason: string | undefined, nowMs: number): void {
    this.phase = phase;
    this.#reason = reason;
    this.#finishedAtMs = nowMs;
    for (const [id, { state }] of this.#nodes) if (state !== 'done') this.set(id, phase === 'done' ? { state: 'done' } : { state: 'kept' });
  }

  assertCanAbort(): void {
    if (this.aborting) throw new DayuError(this.#code, 'it is being aborted already');
    if (!TOO_LATE.includes(this.phase)) return;
    if (OVER.includes(this.phase)) throw new DayuError(this.#code, `it is ${this.phase} already`);
    throw new DayuError(this.#code, 'its nodes are leaving already: there is no way back');
  }

  get canAbort(): boolean {
    return !TOO_LATE.includes(this.phase);
  }

  progress(): NodesProgress {
    const { kind, phase } = this;
    return {
      kind,
      phase,
      nodes: Object.fromEntries(this.#nodes),
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
      startedAtMs: this.#startedAtMs,
      ...(this.#finishedAtMs === undefined ? {} : { finishedAtMs: this.#finishedAtMs }),
    };
  }

  result(outcome: NodesResult['outcome'], underReplicated: number): NodesResult {
    const nodes = [...this.#nodes].map(([id, { rack, replicasMoved, bytesMoved }]) => [id, { rack, replicasMoved, bytesMoved }]);
    return {
      outcome,
      nodes: Object.fromEntries(nodes),
      underReplicated,
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
    };
  }
}

/**
 * How long one step of a drain or a balance may take: short, so that its progress is seen soon; then longer, so that one of days stays far below
 * ten thousand events (each step costs about seven).
 */
export function stepMs(step: number): number {
  if (step < 10) return 3_000;
  if (step < 200) return 15_000;
  return step < 600 ? 60_000 : 600_000;
}
