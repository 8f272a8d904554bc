/** Who wants to be told. */
export class Listeners<Told> {
  readonly #listeners = new Set<(told: Told) => void>();

  /** @returns how to stop listening. */
  add(listener: (told: Told) => void): () => void {
    const own = (told: Told): void => listener(told);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  tell(told: Told): void {
    for (const listener of this.#listeners) listener(told);
  }
}
