import { NODE_FAILURES_MAX } from './failure-policy.ts';

/** How the nodes have served one task. */
export class NodeRecords {
  readonly #nodes = new Map<string, { done: number; failedInstances: Set<number> }>();

  used(node: string): void {
    this.#of(node);
  }

  done(node: string): void {
    this.#of(node).done++;
  }

  failed(node: string, instance: number): void {
    this.#of(node).failedInstances.add(instance);
  }

  known(): string[] {
    return [...this.#nodes.keys()];
  }

  /** Nodes that this task leaves alone: several instances failed there and none succeeded. Half of those known at most: if it fails everywhere, it is the program. */
  bad(): string[] {
    const bad = [...this.#nodes].filter(([, { done, failedInstances }]) => done === 0 && failedInstances.size >= NODE_FAILURES_MAX);
    return bad.slice(0, Math.floor(this.#nodes.size / 2)).map(([node]) => node);
  }

  #of(node: string): { done: number; failedInstances: Set<number> } {
    const record = this.#nodes.get(node) ?? { done: 0, failedInstances: new Set<number>() };
    this.#nodes.set(node, record);
    return record;
  }
}
