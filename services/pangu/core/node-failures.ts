/** How long a failure counts: the time Nuwa needs to notice that a server is gone, twice. */
const FORGET_MS = 10_000;

/** Nodes that failed a moment ago: readers ask them last, writers ask for others. */
export class NodeFailures {
  readonly #until = new Map<string, number>();

  note(node: string, nowMs: number): void {
    this.#until.set(node, nowMs + FORGET_MS);
  }

  isRecent(node: string, nowMs: number): boolean {
    const until = this.#until.get(node);
    if (until === undefined) return false;
    if (until > nowMs) return true;
    this.#until.delete(node);
    return false;
  }

  recent(nowMs: number): string[] {
    return [...this.#until.keys()].filter((node) => this.isRecent(node, nowMs));
  }
}
