/** What watching a job, a rollout, and nodes that come or go have in common: a workflow that is asked by query, which costs it nothing, until it has ended. */
import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { formatMs } from './units.ts';

export const INTERVAL_MS = 300;
/** A worker that is down must not hold up the picture for long. */
const QUERY_TIMEOUT_MS = 3_000;

/** `undefined` when no worker answers, or the workflow is not so far. */
export async function queryProgress<Progress>(handle: WorkflowHandle): Promise<Progress | undefined> {
  try {
    return await handle.client.withDeadline(Date.now() + QUERY_TIMEOUT_MS, () => handle.query<Progress>('progress'));
  } catch {
    return undefined;
  }
}

/** `ended` resolves when the workflow has, however it did, or when `stop` was called: a poll that outlives its connection would bring the process down. */
export function awaitEnd(handle: WorkflowHandle): { ended: Promise<true>; stop(): void } {
  const polling = new AbortController();
  setMaxListeners(0, polling.signal); // each poll leaves one behind
  const ended = handle.client
    .withAbortSignal(polling.signal, () => handle.result())
    .then(
      () => true as const,
      () => true as const,
    );
  return { ended, stop: () => polling.abort() };
}

/** Shows how far a workflow is until it says that it has finished. */
export async function showProgress<Progress extends { finishedAtMs?: number }>(
  handle: WorkflowHandle,
  picture: { show(progress: Progress): void; stop(): void },
): Promise<void> {
  try {
    for (;;) {
      const progress = await queryProgress<Progress>(handle);
      if (progress) picture.show(progress);
      if (progress?.finishedAtMs !== undefined) return;
      // One that could not say how it ended, or is not to be asked any more.
      if ((await handle.describe()).status.name !== 'RUNNING') return;
      await delay(INTERVAL_MS);
    }
  } finally {
    picture.stop();
  }
}

/** For those who watch without a terminal: one line whenever something changed, with the time since the start before it. */
export class LinePicture<Progress extends { startedAtMs: number }> {
  readonly #stream: NodeJS.WriteStream;
  readonly #lineOf: (progress: Progress) => string;
  #last = '';

  constructor(stream: NodeJS.WriteStream, lineOf: (progress: Progress) => string) {
    this.#stream = stream;
    this.#lineOf = lineOf;
  }

  show(progress: Progress): void {
    const line = this.#lineOf(progress);
    if (line === this.#last) return;
    this.#last = line;
    this.#stream.write(`${formatMs(Date.now() - progress.startedAtMs).padStart(9)}  ${line}\n`);
  }

  say(text: string): void {
    this.#stream.write(`${text}\n`);
  }

  stop(): void {}
}
