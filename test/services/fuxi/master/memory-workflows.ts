import type { WorkflowPort } from '../../../../services/fuxi/contract.ts';

interface Taken {
  workflowId: string;
  name: string;
  payload: unknown;
}

/** The port to the workflow engine, in memory: runs that are there take signals, others are `gone`. */
export class MemoryWorkflows implements WorkflowPort {
  readonly running: Set<string>;
  /** Signals to these fail, as when the engine cannot be reached. */
  readonly failing = new Set<string>();
  /** The list of running workflows fails. */
  listFails = false;
  underWay = 0;
  #signals: Taken[] = [];
  #tries = 0;
  #gate: Promise<void> = Promise.resolve();
  #watchers: { met: () => boolean; wake: () => void }[] = [];

  constructor(running: string[]) {
    this.running = new Set(running);
  }

  async signal(workflowId: string, runId: string | undefined, name: string, payload: unknown): Promise<'sent' | 'gone'> {
    this.underWay++;
    this.#tries++;
    await this.#gate;
    this.underWay--;
    try {
      if (this.failing.has(workflowId)) throw new Error('the engine is away');
      if (!this.running.has(workflowId) || runId !== `${workflowId}-run`) return 'gone';
      this.#signals.push({ workflowId, name, payload: structuredClone(payload) });
      return 'sent';
    } finally {
      this.#wake();
    }
  }

  async listRunning(): Promise<{ workflowId: string; runId: string }[]> {
    if (this.listFails) throw new Error('the engine is away');
    return [...this.running].map((workflowId) => ({ workflowId, runId: `${workflowId}-run` }));
  }

  taken(workflowId: string): Taken[] {
    return this.#signals.filter((signal) => signal.workflowId === workflowId);
  }

  /** Holds up every signal until the function returned is called. */
  hold(): () => void {
    let release = (): void => {};
    this.#gate = new Promise((resolve) => {
      release = resolve;
    });
    return release;
  }

  tried(times: number): Promise<void> {
    return this.#until(() => this.#tries >= times);
  }

  /** The `count`-th signal `name` to a workflow, once it was taken. */
  async received<Payload>(workflowId: string, name: string, count = 1): Promise<Payload> {
    const all = () => this.taken(workflowId).filter((signal) => signal.name === name);
    await this.#until(() => all().length >= count);
    return all()[count - 1]!.payload as Payload;
  }

  #until(met: () => boolean): Promise<void> {
    if (met()) return Promise.resolve();
    return new Promise((wake) => this.#watchers.push({ met, wake }));
  }

  #wake(): void {
    for (const watcher of this.#watchers) if (watcher.met()) watcher.wake();
    this.#watchers = this.#watchers.filter((watcher) => !watcher.met());
  }
}
