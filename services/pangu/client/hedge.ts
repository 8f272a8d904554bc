import type { Clock } from '../../base/clock.ts';
import { ReadTimes } from '../core/read-times.ts';

/** How often it is looked who is late, while anything is under way: one look for all, as a timer for each would cost a small read more than its call does. */
const LOOK_MS = 5;

/** What came of asking one server: a failure was dealt with already. */
export type Tried<T, F> = { value: T } | { failure: F };

interface Waiting {
  readonly lateAtMs: number;
  late(): void;
}

export interface HedgedRead<R, T, F> {
  /** In the order in which they are asked. */
  replicas: readonly R[];
  bytes: number;
  ask(replica: R, signal: AbortSignal): Promise<Tried<T, F>>;
  /** It was overtaken again and again. */
  standsStill(replica: R): void;
}

/** Reads of which the second replica is asked when the first is late (core/read-times.ts). Shared by all files of a client: what is known of nodes is. */
export class Hedges {
  readonly #clock: Clock;
  readonly #times = new ReadTimes();
  readonly #waiting = new Set<Waiting>();
  #looking = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The first value that one of two servers gives, or both failures; `asked`: of how many of the replicas something is known then. The loser is cancelled. */
  read<R extends { node: string }, T, F>({
    replicas,
    bytes,
    ask,
    standsStill,
  }: HedgedRead<R, T, F>): Promise<{ value: T } | { failures: F[]; asked: number }> {
    return new Promise((resolve, reject) => {
      const failures: F[] = [];
      const running = new Map<R, { sinceMs: number; abort: AbortController }>();
      let asked = 0;
      let done = false;
      this.#times.earn();

      const start = (): void => {
        const replica = replicas[asked++]!;
        const own = { sinceMs: this.#clock.monotonicMs(), abort: new AbortController() };
        running.set(replica, own);
        ask(replica, own.abort.signal).then(
          (tried) => {
            running.delete(replica);
            if (done) return;
            if ('value' in tried) {
              const nowMs = this.#clock.monotonicMs();
              this.#times.note(replica.node, bytes, nowMs - own.sinceMs);
              end();
              for (const [loser, { sinceMs, abort }] of running) {
                abort.abort();
                // Who was asked second and is not first is no slower for that.
                if (loser === replicas[0] && this.#times.noteOvertaken(loser.node, bytes, nowMs - sinceMs)) standsStill(loser);
              }
              resolve(tried);
            } else {
              failures.push(tried.failure);
              if (running.size > 0) return;
              end();
              resolve({ failures, asked });
            }
          },
          (error) => {
            end();
            reject(error);
          },
        );
      };
      const end = (): void => {
        done = true;
        if (waiting) this.#waiting.delete(waiting);
      };

      let waiting: Waiting | undefined;
      if (replicas.length > 1) {
        waiting = {
          lateAtMs: this.#clock.monotonicMs() + this.#times.lateAfterMs(replicas[0]!.node, bytes),
          late: () => {
            if (!done && running.size > 0 && this.#times.pay()) start();
          },
        };
        this.#waiting.add(waiting);
        if (!this.#looking) void this.#look();
      }
      start();
    });
  }

  async #look(): Promise<void> {
    this.#looking = true;
    while (this.#waiting.size > 0) {
      await this.#clock.sleep(LOOK_MS);
      const nowMs = this.#clock.monotonicMs();
      for (const waiting of this.#waiting) {
        if (waiting.lateAtMs > nowMs) continue;
        this.#waiting.delete(waiting);
        waiting.late();
      }
    }
    this.#looking = false;
  }
}
