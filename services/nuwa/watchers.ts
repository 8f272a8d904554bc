import type { NuwaEvent } from './contract.ts';
import { isUnder } from './core/tree/path.ts';

interface Waiter {
  path: string;
  recursive: boolean;
  wake(): void;
}

/** Polls that wait for a change under their path. */
export class Watchers {
  readonly #waiters = new Set<Waiter>();
  #closed = false;

  get size(): number {
    return this.#waiters.size;
  }

  /** Resolves at the next change under the path, after `waitMs`, when the signal aborts, or when the server closes. */
  wait(path: string, recursive: boolean, waitMs: number, signal: AbortSignal): Promise<void> {
    if (this.#closed || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        this.#waiters.delete(waiter);
        resolve();
      };
      const waiter = { path, recursive, wake };
      const timer = setTimeout(wake, waitMs);
      signal.addEventListener('abort', wake);
      this.#waiters.add(waiter);
    });
  }

  tell(events: readonly NuwaEvent[]): void {
    for (const waiter of [...this.#waiters]) {
      if (events.some((event) => isUnder(event.path, waiter.path, waiter.recursive))) waiter.wake();
    }
  }

  /** So that each looks by itself where it stands. */
  wakeAll(): void {
    for (const waiter of [...this.#waiters]) waiter.wake();
  }

  close(): void {
    this.#closed = true;
    this.wakeAll();
  }
}
