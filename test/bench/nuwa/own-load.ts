import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Latencies } from './latencies.ts';
import type { OwnPlan, OwnResult } from './own-plan.ts';

const PROCESS = fileURLToPath(new URL('./own-load-process.ts', import.meta.url));

export type OwnShare = Omit<OwnPlan, 'process'>;

export interface OwnRun {
  operations: number;
  errors: number;
  latencies: Latencies;
  tookMs: number;
  /** What each process told, in the order of the shares. */
  results: OwnResult[];
}

/**
 * Processes of our own TypeScript client: all connect first, begin together, and their figures are added up. The stop of the last one ends the run.
 * `whileRunning` goes on between their beginning and their end.
 */
export async function ownLoad(shares: readonly OwnShare[], whileRunning: () => Promise<void> = async () => {}): Promise<OwnRun> {
  const children: ChildProcess[] = [];
  try {
    const begun = shares.map((share, index) => begin({ ...share, process: index }, children));
    await Promise.all(begun.map(({ ready }) => ready));
    const startedMs = performance.now();
    for (const child of children) child.send('go');
    const [results] = await Promise.all([Promise.all(begun.map(({ result }) => result)), whileRunning()]);
    const latencies = new Latencies();
    for (const result of results) latencies.merge(new Latencies(result.latencies));
    return {
      operations: results.reduce((sum, { operations }) => sum + operations, 0),
      errors: results.reduce((sum, { errors }) => sum + errors, 0),
      latencies,
      tookMs: performance.now() - startedMs,
      results,
    };
  } finally {
    for (const child of children) child.kill();
  }
}

function begin(plan: OwnPlan, children: ChildProcess[]): { ready: Promise<void>; result: Promise<OwnResult> } {
  const child = fork(PROCESS, [JSON.stringify(plan)], { execArgv: ['--import', 'tsx'], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  children.push(child);
  const exited = new Promise<never>((_, reject) => {
    child.once('exit', (code) => reject(new Error(`a process of our own client ended with ${code}`)));
  });
  exited.catch(() => {});
  const ready = new Promise<void>((resolve) => child.once('message', () => resolve()));
  const result = ready.then(() => new Promise<OwnResult>((resolve) => child.once('message', (told) => resolve(told as OwnResult))));
  return { ready: Promise.race([ready, exited]), result: Promise.race([result, exited]) };
}

/** `inFlight` calls under way over a few processes. */
export function shared(share: OwnShare, processesMax: number): OwnShare[] {
  const processes = Math.min(processesMax, share.inFlight);
  return Array.from({ length: processes }, (_, index) => ({
    ...share,
    inFlight: Math.floor(share.inFlight / processes) + (index < share.inFlight % processes ? 1 : 0),
  }));
}
