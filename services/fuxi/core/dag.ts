/** Orders of a directed graph given as names and, for each, the names it comes after. */

/** Each name after all it comes after; among equals in the order given. @throws never: names in a circle are left out. */
export function topologicalOrder(names: readonly string[], after: (name: string) => readonly string[]): string[] {
  const order: string[] = [];
  const placed = new Set<string>();
  let moved = true;
  while (moved) {
    moved = false;
    for (const name of names) {
      if (placed.has(name) || !after(name).every((earlier) => placed.has(earlier))) continue;
      placed.add(name);
      order.push(name);
      moved = true;
    }
  }
  return order;
}

/** A circle as the names along it, first name again at the end; `undefined` when there is none. */
export function findCycle(names: readonly string[], after: (name: string) => readonly string[]): string[] | undefined {
  const finished = new Set<string>();
  const trail: string[] = [];
  const visit = (name: string): string[] | undefined => {
    const start = trail.indexOf(name);
    if (start >= 0) return [...trail.slice(start), name].reverse();
    if (finished.has(name)) return undefined;
    trail.push(name);
    for (const earlier of after(name)) {
      const cycle = visit(earlier);
      if (cycle) return cycle;
    }
    trail.pop();
    finished.add(name);
    return undefined;
  };
  for (const name of names) {
    const cycle = visit(name);
    if (cycle) return cycle;
  }
  return undefined;
}
