import cliProgress from 'cli-progress';
import { formatBytes, formatMs } from './units.ts';

/** Progress on the terminal that a person looks at: on stderr, so that results can be piped; nothing at all when it is not a terminal. */
export interface BytesBar {
  add(bytes: number): void;
  stop(): void;
}

/** Redraws a second; more only costs the terminal. */
const FPS = 10;

const NO_BAR: BytesBar = { add: () => {}, stop: () => {} };

/** One bar over all files of a copy. @param totalBytes `undefined` when nobody knows, as from a pipe. */
export function createBytesBar(label: string, totalBytes: number | undefined, stream: NodeJS.WriteStream = process.stderr): BytesBar {
  if (!stream.isTTY) return NO_BAR;
  const startedAtMs = performance.now();
  let done = 0;
  const bar = new cliProgress.SingleBar({
    stream,
    fps: FPS,
    hideCursor: true,
    clearOnComplete: true,
    format: (_options, { progress }) => {
      const seconds = Math.max(0.001, (performance.now() - startedAtMs) / 1000);
      const rate = `${formatBytes(done / seconds)}/s, ${formatMs(seconds * 1000)}`;
      if (totalBytes === undefined) return `${label} ${formatBytes(done)}, ${rate}`;
      return `${label} ${drawBar(progress)} ${formatBytes(done)} of ${formatBytes(totalBytes)}, ${rate}`;
    },
  });
  bar.start(Math.max(1, totalBytes ?? 1), 0);
  return {
    add(bytes) {
      done += bytes;
      if (totalBytes !== undefined) bar.update(Math.min(done, totalBytes));
    },
    stop: () => bar.stop(),
  };
}

const BAR_WIDTH = 30;

export function drawBar(fraction: number, width = BAR_WIDTH): string {
  const full = Math.round(Math.min(1, Math.max(0, fraction)) * width);
  return '█'.repeat(full) + '░'.repeat(width - full);
}
