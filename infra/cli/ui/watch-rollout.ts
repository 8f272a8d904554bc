import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { RolloutProgress } from '../../../services/dayu/contract.ts';
import { rolloutLine, rolloutPhase, rolloutTable } from './rollout-view.ts';
import { formatMs } from './units.ts';

/** How often the rollout is asked; by query, which costs it nothing. */
const INTERVAL_MS = 300;
/** A worker that is down must not hold up the picture for long. */
const QUERY_TIMEOUT_MS = 3_000;

/** Shows a rollout until it has ended; how it ended is told by `handle.result()`. */
export async function watchRollout(handle: WorkflowHandle): Promise<void> {
  const picture = process.stderr.isTTY ? tablePicture(process.stderr) : linePicture(process.stderr);
  await followRollout(handle, (progress) => {
    picture(progress);
    return false;
  });
}

/**
 * Until the rollout has ended, or `seen` says that it saw enough.
 * @returns whether it has ended
 */
export async function followRollout(handle: WorkflowHandle, seen: (progress: RolloutProgress) => boolean): Promise<boolean> {
  // Ended with the watching: a poll that outlives its connection would bring the process down.
  const polling = new AbortController();
  setMaxListeners(0, polling.signal); // each poll leaves one behind
  const ended = handle.client
    .withAbortSignal(polling.signal, () => handle.result())
    .then(
      () => true,
      () => true,
    );
  try {
    for (let over = false; ; ) {
      const progress = await queryRollout(handle);
      if (progress && seen(progress)) return over;
      if (over) return true;
      over = await Promise.race([ended, delay(INTERVAL_MS, false)]);
    }
  } finally {
    polling.abort();
    await ended;
  }
}

/** `undefined` when no worker answers, or the document was refused. */
export async function queryRollout(handle: WorkflowHandle): Promise<RolloutProgress | undefined> {
  try {
    return await handle.client.withDeadline(Date.now() + QUERY_TIMEOUT_MS, () => handle.query<RolloutProgress>('progress'));
  } catch {
    return undefined;
  }
}

function linePicture(stream: NodeJS.WriteStream): (progress: RolloutProgress) => void {
  let last = '';
  return (progress) => {
    const line = rolloutLine(progress);
    if (line === last) return;
    last = line;
    stream.write(`${formatMs(Date.now() - progress.startedAtMs).padStart(9)}  ${line}\n`);
  };
}

/** The table, drawn over itself. */
function tablePicture(stream: NodeJS.WriteStream): (progress: RolloutProgress) => void {
  let drawn = 0;
  return (progress) => {
    const { application, version } = progress;
    const head = `${application} ${version}: ${rolloutPhase(progress)}, ${formatMs((progress.finishedAtMs ?? Date.now()) - progress.startedAtMs)}`;
    const lines = [head, ...rolloutTable(progress).split('\n')].map((line) =>
      line.length > stream.columns ? line.slice(0, stream.columns - 1) : line,
    );
    const back = drawn > 0 ? `\x1b[${drawn}A\x1b[0J` : '';
    stream.write(`${back}${lines.join('\n')}\n`);
    drawn = lines.length;
  };
}
