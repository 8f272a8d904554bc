import { setTimeout as delay } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { RolloutProgress } from '../../../services/dayu/contract.ts';
import { awaitEnd, INTERVAL_MS, LinePicture, queryProgress } from './follow-workflow.ts';
import { rolloutLine, rolloutPhase, rolloutTable } from './rollout-view.ts';
import { formatMs } from './units.ts';

/** Shows a rollout until it has ended; how it ended is told by `handle.result()`. */
export async function watchRollout(handle: WorkflowHandle): Promise<void> {
  const lines = new LinePicture<RolloutProgress>(process.stderr, rolloutLine);
  const show = process.stderr.isTTY ? tablePicture(process.stderr) : (progress: RolloutProgress) => lines.show(progress);
  await followRollout(handle, (progress) => {
    show(progress);
    return false;
  });
}

/**
 * Until the rollout has ended, or `seen` says that it saw enough.
 * @returns whether it has ended
 */
export async function followRollout(handle: WorkflowHandle, seen: (progress: RolloutProgress) => boolean): Promise<boolean> {
  const { ended, stop } = awaitEnd(handle);
  try {
    for (let over = false; ; ) {
      const progress = await queryProgress<RolloutProgress>(handle);
      if (progress && seen(progress)) return over;
      if (over) return true;
      over = await Promise.race([ended, delay(INTERVAL_MS, false)]);
    }
  } finally {
    stop();
    await ended;
  }
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
