/** What runs and ran on this node, for whoever looks for an attempt's log. In memory: logs themselves outlive Tubo, this list does not. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface AttemptRow {
  runId: string;
  task: string;
  instance: number;
  attempt: number;
  state: 'running' | 'done' | 'failed' | 'killed';
  pid?: number;
  startedAtMs: number;
}

/** Ended attempts kept in the list. */
const ENDED_MAX = 10_000;

export class AttemptTable {
  readonly #running = new Set<AttemptRow>();
  #ended: AttemptRow[] = [];

  begin(row: Omit<AttemptRow, 'state'>): AttemptRow {
    const begun: AttemptRow = { ...row, state: 'running' };
    this.#running.add(begun);
    return begun;
  }

  end(row: AttemptRow, state: Exclude<AttemptRow['state'], 'running'>): void {
    this.#running.delete(row);
    row.state = state;
    delete row.pid;
    this.#ended.push(row);
    if (this.#ended.length > 2 * ENDED_MAX) this.#ended = this.#ended.slice(-ENDED_MAX);
  }

  /** Of one job run, oldest first; or all that run now. */
  list(runId: string | undefined): AttemptRow[] {
    if (runId === undefined) return [...this.#running];
    return [...this.#ended, ...this.#running].filter((row) => row.runId === runId);
  }
}

export function logFile(logsDirectory: string, attempt: Pick<AttemptRow, 'runId' | 'task' | 'instance' | 'attempt'>): string {
  return join(logsDirectory, segment(attempt.runId), segment(attempt.task), `${attempt.instance}.${attempt.attempt}.log`);
}

export async function fileBytes(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}

/** A name that stays one segment of a path, whatever is in it. */
export function segment(name: string): string {
  return encodeURIComponent(name).replace(/^\./, '%2E');
}
