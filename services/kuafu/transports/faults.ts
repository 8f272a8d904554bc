import type { Random } from '../../base/random.ts';

/** What a network does to one frame. No entry: it is lost; several: it arrives several times. Each is a delay in milliseconds. */
export type Fate = number[];

/** A network's faults, as an argument of the in-memory transport. `from` and `to` are names of the two ends. */
export interface Faults {
  fate(from: string, to: string): Fate;
  /** A connection attempt gets through. */
  reachable(from: string, to: string): boolean;
}

export const noFaults: Faults = { fate: () => [0], reachable: () => true };

export interface FaultOptions {
  /** Chance that a frame is lost. @default 0 */
  drop?: number;
  /** Chance that a frame arrives twice. @default 0 */
  duplicate?: number;
  /** Each frame is under way for a time between these. @default [0, 0] */
  delayMs?: [min: number, max: number];
  /** Chance that a frame takes up to `reorderMs` longer, so that later ones overtake it. @default 0 */
  reorder?: number;
  /** @default 50 */
  reorderMs?: number;
}

/** Faults from a seed, and partitions by hand. */
export class SeededFaults implements Faults {
  readonly #random: Random;
  readonly #cut = new Set<string>();
  options: FaultOptions;

  constructor(random: Random, options: FaultOptions = {}) {
    this.#random = random;
    this.options = options;
  }

  fate(from: string, to: string): Fate {
    if (!this.reachable(from, to)) return [];
    const { drop = 0, duplicate = 0 } = this.options;
    if (this.#random.next() < drop) return [];
    const fate = [this.#delay()];
    if (this.#random.next() < duplicate) fate.push(this.#delay());
    return fate;
  }

  reachable(from: string, to: string): boolean {
    return !this.#cut.has(pair(from, to));
  }

  /** Nothing passes between the two until `heal`; connections stay, silent. */
  partition(a: string, b: string): void {
    this.#cut.add(pair(a, b)).add(pair(b, a));
  }

  heal(): void {
    this.#cut.clear();
  }

  #delay(): number {
    const { delayMs: [min, max] = [0, 0], reorder = 0, reorderMs = 50 } = this.options;
    const late = this.#random.next() < reorder ? this.#random.next() * reorderMs : 0;
    return min + this.#random.next() * (max - min) + late;
  }
}

function pair(from: string, to: string): string {
  return `${from} ${to}`;
}
