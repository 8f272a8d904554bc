import type { ChunkError } from '../chunk-contract.ts';

/** Small appends may overtake large ones on a connection. One that comes too early waits this long for those before it. */
const GAP_WAIT_MS = 2_000;

/** Appends that came before those they follow. */
export class EarlyAppends {
  #waiters: { offset: number; wake: (error?: ChunkError) => void }[] = [];

  /** Resolves when all up to `offset` has been accepted; rejects with `gap()` when that takes too long or the caller gives up. */
  wait(offset: number, gap: () => ChunkError, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const give = (error?: ChunkError): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', refuse);
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        if (error) reject(error);
        else resolve();
      };
      const refuse = (): void => give(gap());
      const timer = setTimeout(refuse, GAP_WAIT_MS);
      const waiter = { offset, wake: give };
      this.#waiters.push(waiter);
      signal?.addEventListener('abort', refuse);
    });
  }

  /** Everything below `accepted` is there now; or nothing more will come, for the reason given. */
  wake(accepted: number, error?: ChunkError): void {
    for (const waiter of this.#waiters) if (error || waiter.offset <= accepted) waiter.wake(error);
  }
}
