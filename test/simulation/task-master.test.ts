import { describe, expect, it } from 'vitest';
import { type Random, seededRandom } from '../../services/base/random.ts';
import type { AttemptResult, Container, FuxiCode } from '../../services/fuxi/contract.ts';
import { type Batch, TaskMaster } from '../../services/fuxi/core/task-master.ts';

/**
 * A TaskMaster in a world of nodes that die, slow down and lie idle, all from one seed. After each event these must hold:
 * a container carries one batch at most; no attempt number is used twice for two attempts that may have begun; what is cancelled is known.
 * In the end every instance has exactly one winner, and that attempt did succeed.
 */
interface Happening {
  atMs: number;
  run: () => void;
}

class World {
  nowMs = 0;
  readonly random: Random;
  readonly master: TaskMaster;
  readonly begun = new Set<string>();
  readonly succeeded = new Set<string>();
  readonly #agenda: Happening[] = [];
  readonly #busy = new Map<string, number>();
  readonly #live = new Map<number, Batch>();
  readonly #dead = new Set<string>();
  #made = 0;
  #repairs = 0;
  readonly #nodes: number;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.#nodes = 1 + this.random.int(5);
    const count = 1 + this.random.int(40);
    const bytes = this.random.int(2) * this.random.int(100_000_000);
    this.master = new TaskMaster(
      {
        task: 'map',
        instances: Array.from({ length: count }, (_, index) => ({ index, bytes, preferred: [`node-${this.random.int(this.#nodes)}`] })),
        maxAttempts: 12,
        backup: { enabled: true, slowdown: 2, afterFraction: 0.5 },
      },
      0,
    );
  }

  run(): TaskMaster {
    for (let step = 0; step < 20_000; step++) {
      const { start, cancel, exchange, wakeAtMs, outcome, lost } = this.master.decide(this.nowMs);
      for (const id of cancel) this.#kill(id);
      for (const batch of start) this.#begin(batch);
      if (exchange) this.#exchange(exchange);
      if (lost.length > 0) this.#at(1_000, () => this.master.repaired(++this.#repairs));
      if (outcome) {
        expect(outcome).toEqual({ kind: 'done' });
        return this.master;
      }
      this.#agenda.sort((a, b) => a.atMs - b.atMs);
      const next = this.#agenda[0];
      if (wakeAtMs !== undefined && (!next || wakeAtMs < next.atMs)) {
        expect(wakeAtMs).toBeGreaterThan(this.nowMs);
        this.nowMs = wakeAtMs;
        continue;
      }
      expect(next, 'the TaskMaster waits for nothing').toBeDefined();
      this.#agenda.shift();
      this.nowMs = next!.atMs;
      next!.run();
    }
    throw new Error('it did not end');
  }

  #exchange({ want, holding, avoid }: { want: number; holding: Container[]; avoid: string[] }): void {
    for (let missing = want - holding.length; missing > 0; missing--) {
      const node = `node-${this.random.int(this.#nodes)}`;
      if (avoid.includes(node) || this.random.next() < 0.2) continue; // a grant may be lost: the TaskMaster must ask again
      const container = { id: `c${++this.#made}`, node };
      this.#at(this.random.int(2_000), () => this.master.grant([container]));
    }
  }

  #begin(batch: Batch): void {
    const { container } = batch;
    expect(this.#busy.get(container.id), 'one batch in a container').toBeUndefined();
    expect(this.#dead.has(container.id)).toBe(false);
    this.#busy.set(container.id, batch.id);
    this.#live.set(batch.id, batch);
    const results: AttemptResult[] = [];
    let ms = 0;
    const [first, ...rest] = batch.attempts;
    const partial = rest.length > 0 && this.random.next() < 0.3;
    for (const { instance, attempt } of partial ? [first!] : batch.attempts) {
      const key = `${instance}.${attempt}`;
      expect(this.begun.has(key), `attempt ${key} began twice`).toBe(false);
      this.begun.add(key);
      ms += 50 + this.random.int(1_000) * (this.random.next() < 0.05 ? 100 : 1);
      results.push(this.#outcome(instance, attempt, ms));
    }
    if (partial)
      this.#at(
        10,
        () =>
          this.#live.has(batch.id) &&
          this.master.partial(
            batch.id,
            [],
            rest.map((a) => a.instance),
            this.nowMs,
          ),
      );
    const fate = this.random.next();
    if (fate < 0.03) {
      this.#at(this.random.int(ms), () => {
        this.#end(batch.id, container.id);
        this.#dead.add(container.id);
        this.master.lose([container.id], `${container.node} is gone`, this.nowMs);
      });
    } else if (fate < 0.06) {
      this.#at(8_000, () => this.#end(batch.id, container.id) && this.#drop(batch, container));
    } else {
      this.#at(ms, () => {
        if (!this.#end(batch.id, container.id)) return;
        for (const result of results) if (result.ok) this.succeeded.add(`${result.instance}.${result.attempt}`);
        this.master.finish(batch.id, results, this.nowMs);
      });
    }
  }

  #drop(batch: Batch, container: Container): void {
    this.#dead.add(container.id);
    this.master.fail(batch.id, 'NodeLost', 'no heartbeat', this.nowMs);
  }

  #outcome(instance: number, attempt: number, ms: number): AttemptResult {
    const failure = this.random.next();
    if (failure > 0.1) return { instance, attempt, ok: true, ms, bytesIn: 1, bytesOut: 1, recordsIn: 1, recordsOut: 1 };
    const code: FuxiCode = failure < 0.03 ? 'ShuffleLost' : failure < 0.06 ? 'Killed' : 'ProgramFailed';
    return {
      instance,
      attempt,
      ok: false,
      ms,
      code,
      message: code,
      ...(code === 'ShuffleLost' ? { lost: { task: 'before', instances: [1] } } : {}),
    };
  }

  #kill(id: number): void {
    const batch = this.#live.get(id);
    if (!batch) return;
    this.#at(this.random.int(100), () => this.#end(id, batch.container.id) && this.master.finish(id, [], this.nowMs));
  }

  #end(id: number, container: string): boolean {
    this.#busy.delete(container);
    return this.#live.delete(id);
  }

  #at(delayMs: number, run: () => void): void {
    this.#agenda.push({ atMs: this.nowMs + delayMs, run });
  }
}

describe('TaskMaster in a world of faults', () => {
  it('ends 500 random tasks with one true winner for each instance', () => {
    for (let seed = 1; seed <= 500; seed++) {
      try {
        const world = new World(seed);
        const master = world.run();
        const { winners, progress } = master;
        expect(progress.done).toBe(progress.instances);
        for (let instance = 0; instance < winners.instances; instance++) {
          const attempt = winners.exceptions[instance] ?? winners.first;
          expect(world.succeeded.has(`${instance}.${attempt}`), `instance ${instance} has a winner that succeeded`).toBe(true);
        }
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
      }
    }
  });
});
