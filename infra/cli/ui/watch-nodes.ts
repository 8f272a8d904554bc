import type { WorkflowHandle } from '@temporalio/client';
import cliProgress from 'cli-progress';
import type { NodesProgress } from '../../../services/dayu/nodes-contract.ts';
import { drawBar } from './bars.ts';
import { LinePicture, showProgress } from './follow-workflow.ts';
import { nodesLine } from './nodes-view.ts';
import { formatBytes } from './units.ts';

/** Shows nodes that come or go until it is over: bars on a terminal, else one line whenever something changed. */
export async function watchNodes(handle: WorkflowHandle, stream: NodeJS.WriteStream = process.stderr): Promise<void> {
  const picture = stream.isTTY ? new BarPicture(stream) : new LinePicture<NodesProgress>(stream, nodesLine);
  await showProgress(handle, picture);
}

/** One bar of bytes for each node. */
class BarPicture {
  readonly #bars: cliProgress.MultiBar;
  readonly #byNode = new Map<string, cliProgress.SingleBar>();

  constructor(stream: NodeJS.WriteStream) {
    this.#bars = new cliProgress.MultiBar({
      stream,
      hideCursor: true,
      fps: 10,
      format: (_options, { progress }, { line }: { line: string }) => `${drawBar(progress, 24)} ${line}`,
    });
  }

  show({ nodes }: NodesProgress): void {
    for (const [id, { state, bytesMoved, bytesLeft, message }] of Object.entries(nodes)) {
      const total = bytesMoved + bytesLeft;
      const line = `${id} ${state}, ${formatBytes(bytesMoved)} of ${formatBytes(total)}${message ? `, ${message}` : ''}`;
      const known = this.#byNode.get(id);
      const bar = known ?? this.#bars.create(Math.max(1, total), 0, { line });
      this.#byNode.set(id, bar);
      bar.setTotal(Math.max(1, total));
      bar.update(state === 'done' ? Math.max(1, total) : bytesMoved, { line });
    }
  }

  stop(): void {
    this.#bars.update();
    this.#bars.stop();
  }
}
