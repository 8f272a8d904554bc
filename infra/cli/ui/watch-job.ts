import type { WorkflowHandle } from '@temporalio/client';
import cliProgress from 'cli-progress';
import type { JobProgress, TaskProgress } from '../../../services/fuxi/contract.ts';
import { drawBar } from './bars.ts';
import { awaitEnd, INTERVAL_MS, LinePicture, queryProgress } from './follow-workflow.ts';
import { progressLine } from './job-view.ts';
import { formatBytes, formatMs } from './units.ts';

export interface WatchOptions {
  /** How often the job is asked. @default 300 */
  intervalMs?: number;
  /** Where it is drawn. @default one on stderr */
  picture?: JobPicture;
  /** Told of everything seen. */
  onProgress?: (progress: JobProgress) => void;
  signal?: AbortSignal;
}

/**
 * Shows a job until it has ended. Asks by query, which costs the job nothing.
 * @returns what it answered last, if it ever did; how it ended is told by `handle.result()`.
 */
export async function watchJob(handle: WorkflowHandle, options: WatchOptions = {}): Promise<JobProgress | undefined> {
  const { intervalMs = INTERVAL_MS, picture = createJobPicture(process.stderr), onProgress, signal } = options;
  let last: JobProgress | undefined;
  const { ended, stop } = awaitEnd(handle);
  signal?.addEventListener('abort', stop);
  try {
    for (let over = false; !over && !signal?.aborted; ) {
      over = await Promise.race([ended, delay(intervalMs, signal)]);
      const progress = await queryProgress<JobProgress>(handle);
      if (!progress) continue;
      last = progress;
      picture.show(progress);
      onProgress?.(progress);
    }
  } finally {
    picture.stop();
    signal?.removeEventListener('abort', stop);
    stop();
    await ended;
  }
  return last;
}

function delay(ms: number, signal: AbortSignal | undefined): Promise<false> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve(false);
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end);
  });
}

export interface JobPicture {
  show(progress: JobProgress): void;
  /** Something worth a line of its own. */
  say(text: string): void;
  stop(): void;
}

/** Bars on a terminal; else one line whenever something changed. */
export function createJobPicture(stream: NodeJS.WriteStream): JobPicture {
  return stream.isTTY ? new BarPicture(stream) : new LinePicture(stream, progressLine);
}

class BarPicture implements JobPicture {
  readonly #bars: cliProgress.MultiBar;
  readonly #byTask = new Map<string, cliProgress.SingleBar>();

  constructor(stream: NodeJS.WriteStream) {
    this.#bars = new cliProgress.MultiBar({
      stream,
      hideCursor: true,
      fps: 10,
      format: (_options, _params, { task, width }: { task: TaskProgress & { name: string }; width: number }) =>
        `${task.name.padEnd(width)} ${drawBar(shareDone(task), 24)} ${taskFigures(task)}`,
    });
  }

  show({ tasks }: JobProgress): void {
    const width = Math.max(...Object.keys(tasks).map((name) => name.length));
    for (const [name, task] of Object.entries(tasks)) {
      const payload = { task: { ...task, name }, width };
      const bar = this.#byTask.get(name);
      if (bar) bar.update(task.done, payload);
      else this.#byTask.set(name, this.#bars.create(Math.max(1, task.instances), task.done, payload));
    }
  }

  say(text: string): void {
    this.#bars.log(`${text}\n`);
  }

  stop(): void {
    this.#bars.update();
    this.#bars.stop();
  }
}

function shareDone({ done, instances }: TaskProgress): number {
  return instances === 0 ? 0 : done / instances;
}

function taskFigures(task: TaskProgress): string {
  const parts = [`${task.done}/${task.instances}`];
  if (task.running > 0) parts.push(`${task.running} running`);
  if (task.bytesIn > 0) parts.push(formatBytes(task.bytesIn));
  if (task.failedAttempts > 0) parts.push(`${task.failedAttempts} failed`);
  if (task.backups > 0) parts.push(`${task.backups} backups`);
  if (task.rerun > 0) parts.push(`${task.rerun} made again`);
  if (task.startedAtMs !== undefined) parts.push(formatMs((task.finishedAtMs ?? Date.now()) - task.startedAtMs));
  return parts.join(', ');
}
