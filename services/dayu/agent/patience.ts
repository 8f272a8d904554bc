import { setTimeout as delay } from 'node:timers/promises';

export interface Patience {
  ms: number;
  /** Aborts when the node is being stopped and nobody can be waited for that long. */
  hurry: AbortSignal;
  /** At most so long from then on. */
  hurriedMs: number;
}

/** Waits for `what`, but not for ever. @returns whether it came. */
export async function waitFor(what: Promise<unknown>, patience: Patience): Promise<boolean> {
  const over = new AbortController();
  try {
    return await Promise.race([what.then(() => true), runOut(patience, over.signal)]);
  } finally {
    over.abort();
  }
}

async function runOut({ ms, hurry, hurriedMs }: Patience, over: AbortSignal): Promise<false> {
  try {
    await delay(ms, undefined, { signal: AbortSignal.any([hurry, over]) });
  } catch {
    if (!over.aborted) await delay(Math.min(ms, hurriedMs), undefined, { signal: over }).catch(() => {});
  }
  return false;
}
