/**
 * The first `limit` of some names in their order, each once, without sorting all of them: of a million one after the other is compared with the largest
 * that is kept, and only what is smaller is looked at again. Thrown together and sorted, they would hold up whoever else the process serves.
 */
export function smallest(names: Iterable<string>, limit: number): string[] {
  let kept: string[] = [];
  let bound: string | undefined;
  const settle = (): void => {
    kept = [...new Set(kept)].sort().slice(0, limit);
    bound = kept.length === limit ? kept.at(-1) : undefined;
  };
  for (const name of names) {
    if (bound !== undefined && name >= bound) continue;
    kept.push(name);
    if (kept.length >= 2 * limit) settle();
  }
  settle();
  return kept;
}
