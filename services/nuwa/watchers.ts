import type { NuwaEvent } from './contract.ts';
import { WatchIndex } from './core/watch-index.ts';

/** Polls that wait for a change under their path. */
export class Watchers {
  readonly #index = new WatchIndex<() => void>();
  readonly #wakes = new Set<() => void>();
  #closed = false;

  get size(): number {
    return this.#wakes.size;
  }

  /** Resolves at the next change under the path, after `waitMs`, when the signal aborts, or when the server closes. */
  wait(path: string, recursive: boolean, waitMs: number, signal: AbortSignal): Promise<void> {
    if (this.#closed || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        this.#wakes.delete(wake);
        remove();
        resolve();
      };
      const timer = setTimeout(wake, waitMs);
      const remove = this.#index.add(path, recursive ? 'below' : 'node', wake);
      this.#wakes.add(wake);
      signal.addEventListener('abort', wake);
    });
  }

  /** Woken once, however many of the events are for it: it then looks at all of them. */
  tell(events: readonly NuwaEvent[]): void {
    for (const event of events) for (const { watcher: wake } of this.#index.matching(event)) wake();
  }

  /** So that each looks by itself where it stands. */
  wakeAll(): void {
    for (const wake of [...this.#wakes]) wake();
  }

  close(): void {
    this.#closed = true;
    this.wakeAll();
  }
}
