/**
 * How long many calls took, in few numbers: counts in buckets that each begin 2 % above the one before, so a quantile is right to 2 % and
 * those of several processes add up.
 */
const FIRST_MS = 0.01;
const GROWTH = Math.log(1.02);
const BUCKETS = 1_000;

export class Latencies {
  readonly #counts: number[];

  constructor(counts: number[] = new Array<number>(BUCKETS).fill(0)) {
    this.#counts = counts;
  }

  add(ms: number): void {
    const bucket = ms <= FIRST_MS ? 0 : Math.ceil(Math.log(ms / FIRST_MS) / GROWTH);
    this.#counts[Math.min(BUCKETS - 1, bucket)]!++;
  }

  merge(other: Latencies): void {
    for (let i = 0; i < BUCKETS; i++) this.#counts[i]! += other.#counts[i]!;
  }

  get count(): number {
    return this.#counts.reduce((sum, each) => sum + each, 0);
  }

  /** Milliseconds that a share `q` of the calls did not exceed; 0 without calls. */
  quantile(q: number): number {
    const wanted = q * this.count;
    let seen = 0;
    for (let i = 0; i < BUCKETS; i++) {
      seen += this.#counts[i]!;
      if (seen >= wanted && seen > 0) return FIRST_MS * Math.exp(i * GROWTH);
    }
    return 0;
  }

  toJSON(): number[] {
    return this.#counts;
  }
}
