import type { Logger } from './log.ts';

/** Lines between two flushes. */
const LINES_MAX = 500;
/** Of a kind that are told each, before they are counted. */
const REPEATS_MAX = 3;

/**
 * Lines of one event that others can cause without end: the first of a kind are told each, the rest are counted until the next `flush`, which whoever owns this calls
 * now and then. So what a stranger does never fills a disk with log.
 */
export class Repeats {
  readonly #event: string;
  readonly #log: Logger;
  #kinds = new Map<string, { level: 'info' | 'warn'; fields: Record<string, unknown>; count: number }>();
  #lines = 0;
  #others = 0;

  constructor(event: string, log: Logger) {
    this.#event = event;
    this.#log = log;
  }

  tell(kind: string, level: 'info' | 'warn', fields: Record<string, unknown>): void {
    let known = this.#kinds.get(kind);
    if (!known) {
      if (this.#lines >= LINES_MAX) {
        this.#others++;
        return;
      }
      this.#kinds.set(kind, (known = { level, fields, count: 0 }));
    }
    known.count++;
    known.fields = fields;
    if (known.count > REPEATS_MAX || this.#lines >= LINES_MAX) return;
    this.#lines++;
    this.#log[level](fields, this.#event);
  }

  flush(): void {
    for (const { level, fields, count } of this.#kinds.values())
      if (count > REPEATS_MAX) this.#log[level]({ ...fields, more: count - REPEATS_MAX }, `${this.#event} and ${count - REPEATS_MAX} more`);
    if (this.#others > 0) this.#log.warn({ more: this.#others }, `${this.#event} by others, ${this.#others} times`);
    this.#kinds = new Map();
    this.#lines = 0;
    this.#others = 0;
  }
}
