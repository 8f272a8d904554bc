/** Runs `work` on each item, `width` at a time, until all are done or `more` says no. */
export async function inParallel<T>(
  items: Iterable<T>,
  width: number,
  more: () => boolean,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    while (more()) {
      const next = left.next();
      if (next.done) return;
      await work(next.value);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
}
