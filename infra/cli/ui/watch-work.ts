import type { WorkflowHandle } from '@temporalio/client';
import cliProgress from 'cli-progress';
import type { WorkProgress } from '../../../services/pangu/work-contract.ts';
import { drawBar } from './bars.ts';
import { LinePicture, showProgress } from './follow-workflow.ts';
import { workLine } from './work-view.ts';

/** Shows a repair, a balance or a drain until it is over: a bar of bytes on a terminal, else one line whenever something changed. */
export async function watchWork(handle: WorkflowHandle, stream: NodeJS.WriteStream = process.stderr): Promise<void> {
  const picture = stream.isTTY ? new BarPicture(stream) : new LinePicture<WorkProgress>(stream, workLine);
  await showProgress(handle, picture);
}

class BarPicture {
  readonly #bar: cliProgress.SingleBar;

  constructor(stream: NodeJS.WriteStream) {
    this.#bar = new cliProgress.SingleBar({
      stream,
      hideCursor: true,
      fps: 10,
      format: (_options, { progress }, { line }: { line: string }) => `${drawBar(progress, 24)} ${line}`,
    });
    this.#bar.start(1, 0, { line: 'planning' });
  }

  show(progress: WorkProgress): void {
    const { bytes, bytesLeft, phase } = progress;
    const total = Math.max(1, bytes + bytesLeft);
    this.#bar.setTotal(total);
    this.#bar.update(phase === 'done' ? total : bytes, { line: workLine(progress) });
  }

  stop(): void {
    this.#bar.stop();
  }
}
