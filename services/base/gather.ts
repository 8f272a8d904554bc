/**
 * Calls that come close together share one piece of work, as commits of a database share one sync. What comes in the same turn of the event loop goes together;
 * while `atOnce` pieces are under way, what comes waits and goes together with what else came meanwhile. So one call alone waits for nobody, and the more there
 * are, the less each costs.
 */
export interface GatherOptions<Item, Result> {
  /** One result for each item, in their order. */
  work(items: Item[]): Promise<Result[]>;
  /** For each item of a piece that failed: whose fault it was is not known. */
  alone(item: Item, error: unknown): Promise<Result>;
  atOnce: number;
  /** Items of one piece of work. */
  most: number;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result | Promise<Result>) => void;
}

export class Gather<Item, Result> {
  readonly #options: GatherOptions<Item, Result>;
  #waiting: Waiting<Item, Result>[] = [];
  #underWay = 0;
  #scheduled = false;

  constructor(options: GatherOptions<Item, Result>) {
    this.#options = options;
  }

  ask(item: Item): Promise<Result> {
    return new Promise((resolve) => {
      this.#waiting.push({ item, resolve });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#underWay >= this.#options.atOnce) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      void this.#run(this.#waiting.splice(0, this.#options.most));
    });
  }

  async #run(group: Waiting<Item, Result>[]): Promise<void> {
    this.#underWay++;
    if (this.#waiting.length > 0) this.#schedule();
    try {
      const results = await this.#options.work(group.map(({ item }) => item));
      for (const [i, { resolve }] of group.entries()) resolve(results[i]!);
    } catch (error) {
      for (const { item, resolve } of group) resolve(this.#options.alone(item, error));
    }
    this.#underWay--;
    if (this.#waiting.length > 0) this.#schedule();
  }
}
