/** One instance as its TaskMaster sees it. */
export interface Instance {
  readonly index: number;
  /** Input bytes. */
  readonly bytes: number;
  /** Nodes that hold its input, nearest first. */
  readonly preferred: readonly string[];
  /** `running`: at least one attempt lives. `awaiting-repair`: its input is lost and being made again. `done`: has its one winner. */
  state: 'waiting' | 'running' | 'awaiting-repair' | 'done';
  /** Number of the newest attempt; numbers never repeat. */
  lastAttempt: number;
  /** Attempts that live, by number. */
  live: Map<number, { batch: number; node: string /** How often its inputs had been repaired when it began. */; generation: number }>;
  /** Failures that use up `maxAttempts`, and those that don't. */
  counted: number;
  uncounted: number;
  /** Nodes it keeps away from, until when. */
  avoidUntilMs: Map<string, number>;
  notBeforeMs: number;
  winner?: number;
}

export function newInstance(index: number, bytes: number, preferred: readonly string[], lastAttempt: number): Instance {
  return {
    index,
    bytes,
    preferred,
    state: 'waiting',
    lastAttempt,
    live: new Map(),
    counted: 0,
    uncounted: 0,
    avoidUntilMs: new Map(),
    notBeforeMs: 0,
  };
}

export function mayRunOn(instance: Instance, node: string, nowMs: number): boolean {
  return (instance.avoidUntilMs.get(node) ?? 0) <= nowMs;
}

/** When something about a waiting instance changes by itself: a delay or an avoidance that ends. */
export function wakesOf(instance: Instance, nowMs: number): number[] {
  return [instance.notBeforeMs, ...instance.avoidUntilMs.values()].filter((atMs) => atMs > nowMs);
}
