import type { Random } from '../../../services/base/random.ts';
import type { Timeline } from './timeline.ts';

/** How bad a network is; probabilities per message. */
export interface Weather {
  dropped: number;
  doubled: number;
  /** This share of messages takes up to `lateMs` instead of a few milliseconds, and is overtaken by others. */
  late: number;
  lateMs: number;
}

export const FAIR: Weather = { dropped: 0, doubled: 0, late: 0, lateMs: 0 };
const USUAL_MS = 4;

/** Carries messages between servers, and between clients and servers: drops, doubles, delays and reorders them; cuts ways, one direction at a time. */
export class Network {
  weather: Weather;
  readonly #timeline: Timeline;
  readonly #random: Random;
  readonly #cuts = new Set<string>();

  constructor(timeline: Timeline, random: Random, weather: Weather) {
    this.#timeline = timeline;
    this.#random = random;
    this.weather = weather;
  }

  send(from: string, to: string, deliver: () => void): void {
    if (this.#random.next() < this.weather.dropped) return;
    this.#carry(from, to, deliver);
    if (this.#random.next() < this.weather.doubled) this.#carry(from, to, deliver);
  }

  cut(from: string, to: string): void {
    this.#cuts.add(`${from} ${to}`);
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.size > 0 && this.#cuts.has(`${from} ${to}`);
  }

  heal(): void {
    this.#cuts.clear();
  }

  #carry(from: string, to: string, deliver: () => void): void {
    const { late, lateMs } = this.weather;
    const ms = this.#random.next() < late ? this.#random.next() * lateMs : 0.5 + this.#random.next() * USUAL_MS;
    // A cut loses what is under way too.
    this.#timeline.after(ms, () => {
      if (!this.isCut(from, to)) deliver();
    });
  }
}
