/**
 * When a read is late, and whether another replica may be asked then (Dean and Barroso, "The tail at scale", 2013). A read of a node is late when it takes longer than 95 of
 * a hundred of its own reads of that size took lately: so a node that is slow by nature is not asked twice all the time, and one that stands still is noticed within
 * the time of a slow read.
 *
 * When the whole cluster is slow, every read is late, and asking twice would double its load just then. So second reads are paid for: each read earns a twentieth
 * of one, and what is not spent is kept for one moment in which a server with all that is under way stands still.
 *
 * Invariant: of n reads at most n/20 + 32 are made twice.
 */
const EARNED_PER_READ = 0.05;
const KEPT_MAX = 32;

/** Of a node and a size, as many as tell a 95th percentile. */
const SAMPLES = 64;
const SAMPLES_MIN = 16;
/** How often the percentile is looked at anew, in reads: sorting at each one would cost more than small reads do. */
const RENEW_EVERY = 16;
const PERCENTILE = 0.95;
/** Nobody waits less than what a pause of a process takes, nor longer than this for a node of which nothing is known, or only bad. */
const LATE_MS_MIN = 5;
const LATE_MS_MAX = 500;
/** One read of twenty is late by what late means. */
const OVERTAKEN_MAX = 3;
/** Larger reads take longer than those of a block or less. */
const SMALL_BYTES_MAX = 64 * 1024;

interface Samples {
  readonly ms: number[];
  next: number;
  noted: number;
  lateAfterMs: number;
}

export class ReadTimes {
  readonly #samples = new Map<string, Samples>();
  /** How often in a row. */
  readonly #overtaken = new Map<string, number>();
  #tokens = KEPT_MAX;

  /** How long a read took. */
  note(node: string, bytes: number, ms: number): void {
    this.#overtaken.delete(node);
    this.#add(node, bytes, ms);
  }

  /** How long a read had taken when another was quicker. @returns whether the node seems to stand still: that was so of several reads with none between that it answered. */
  noteOvertaken(node: string, bytes: number, ms: number): boolean {
    this.#add(node, bytes, ms);
    const times = (this.#overtaken.get(node) ?? 0) + 1;
    this.#overtaken.set(node, times);
    return times >= OVERTAKEN_MAX;
  }

  #add(node: string, bytes: number, ms: number): void {
    const key = keyOf(node, bytes);
    let samples = this.#samples.get(key);
    if (!samples) this.#samples.set(key, (samples = { ms: [], next: 0, noted: 0, lateAfterMs: LATE_MS_MAX }));
    samples.ms[samples.next] = ms;
    samples.next = (samples.next + 1) % SAMPLES;
    samples.noted++;
    if (samples.noted % RENEW_EVERY !== 0 || samples.ms.length < SAMPLES_MIN) return;
    const sorted = [...samples.ms].sort((a, b) => a - b);
    const late = sorted[Math.floor(sorted.length * PERCENTILE)]!;
    samples.lateAfterMs = Math.min(LATE_MS_MAX, Math.max(LATE_MS_MIN, late));
  }

  lateAfterMs(node: string, bytes: number): number {
    return this.#samples.get(keyOf(node, bytes))?.lateAfterMs ?? LATE_MS_MAX;
  }

  /** To be called for each read. */
  earn(): void {
    this.#tokens = Math.min(KEPT_MAX, this.#tokens + EARNED_PER_READ);
  }

  /** False: there is nothing left to pay another read with. */
  pay(): boolean {
    // Twenty times a twentieth is a hair less than one.
    if (this.#tokens < 1 - 1e-9) return false;
    this.#tokens -= 1;
    return true;
  }
}

function keyOf(node: string, bytes: number): string {
  return bytes <= SMALL_BYTES_MAX ? `${node} small` : node;
}
