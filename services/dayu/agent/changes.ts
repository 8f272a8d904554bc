/** News without words: whoever waits for something to hold looks again at each. */
export class Changes {
  readonly #listeners = new Set<() => void>();

  tell(): void {
    for (const look of [...this.#listeners]) look();
  }

  listen(look: () => void): () => void {
    this.#listeners.add(look);
    return () => this.#listeners.delete(look);
  }

  /**
   * Resolves with what `look` gives as soon as that is not undefined; `look` is called at once and after each change, and may throw.
   *
   * @returns undefined when `withinMs` passed first.
   */
  until<T>(look: () => T | undefined, { signal, withinMs }: { signal: AbortSignal; withinMs: number }): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        stopListening();
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        settle();
      };
      const abort = (): void => finish(() => reject(signal.reason));
      const lookAgain = (): void => {
        try {
          const found = look();
          if (found !== undefined) finish(() => resolve(found));
        } catch (error) {
          finish(() => reject(error));
        }
      };
      const stopListening = this.listen(lookAgain);
      const timer = setTimeout(() => finish(() => resolve(undefined)), withinMs);
      signal.addEventListener('abort', abort);
      if (signal.aborted) abort();
      else lookAgain();
    });
  }
}
