import cliProgress from 'cli-progress';
import { formatBytes, formatCount, formatMs } from './units.ts';

/** Progress on the terminal that a person looks at: on stderr, so that results can be piped; nothing at all when it is not a terminal. */
export interface BytesBar {
  add(bytes: number): void;
  stop(): void;
}

/** Redraws a second; more only costs the terminal. */
const FPS = 10;

const NO_BAR: BytesBar = { add: () => {}, stop: () => {} };

/** @param totalBytes `undefined` when nobody knows, as from a pipe. */
export function createBytesBar(label: string, totalBytes: number | undefined, stream: NodeJS.WriteStream = process.stderr): BytesBar {
  if (!stream.isTTY) return NO_BAR;
  const startedAtMs = performance.now();
  let done = 0;
  const bar = barOf(stream, (progress) => {
    const elapsedMs = performance.now() - startedAtMs;
    const rate = `${formatRate(done, elapsedMs)}, ${formatMs(elapsedMs)}`;
    if (totalBytes === undefined) return `${label} ${formatBytes(done)}, ${rate}`;
    return `${label} ${drawBar(progress)} ${formatBytes(done)} of ${formatBytes(totalBytes)}, ${rate}`;
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

/** One bar over all files of a copy. */
export interface CopyBar extends BytesBar {
  /** A file that was there already: it counts, and not for the rate. */
  skip(bytes: number): void;
  finishFile(): void;
}

export function createCopyBar(
  label: string,
  total: { files: number; bytes: number },
  stream: NodeJS.WriteStream = process.stderr,
): CopyBar {
  if (!stream.isTTY) return { ...NO_BAR, skip: () => {}, finishFile: () => {} };
  const startedAtMs = performance.now();
  const done: Progress = { files: 0, bytes: 0, skippedFiles: 0, skippedBytes: 0 };
  const bar = barOf(stream, () => `${label} ${copyLine(done, total, performance.now() - startedAtMs)}`);
  bar.start(1, 0);
  return {
    add(bytes) {
      done.bytes += bytes;
    },
    skip(bytes) {
      done.skippedBytes += bytes;
      done.skippedFiles++;
    },
    finishFile() {
      done.files++;
    },
    stop: () => bar.stop(),
  };
}

interface Progress {
  files: number;
  bytes: number;
  /** Those that were there already. */
  skippedFiles: number;
  skippedBytes: number;
}

/** A small file takes about as long as so many bytes of a large one: a create, a write, a sync and a commit. For the bar and the time that is left. */
const FILE_AS_BYTES = 256 * 1024;

/** `███░ 1.0 GiB of 4.0 GiB, 12 of 100 files, 80 MiB/s, 35.0 s left`. */
export function copyLine(done: Progress, total: { files: number; bytes: number }, elapsedMs: number): string {
  const bytes = done.bytes + done.skippedBytes;
  const parts = [`${formatBytes(bytes)} of ${formatBytes(total.bytes)}`];
  if (total.files > 1) parts.push(`${formatCount(done.files + done.skippedFiles)} of ${formatCount(total.files)} files`);
  parts.push(formatRate(done.bytes, elapsedMs));
  const work = done.bytes + done.files * FILE_AS_BYTES;
  const skipped = done.skippedBytes + done.skippedFiles * FILE_AS_BYTES;
  const whole = total.bytes + total.files * FILE_AS_BYTES;
  if (work > 0) parts.push(`${formatMs((Math.max(0, whole - work - skipped) / work) * elapsedMs)} left`);
  return `${drawBar((work + skipped) / Math.max(1, whole))} ${parts.join(', ')}`;
}

const formatRate = (bytes: number, elapsedMs: number): string => `${formatBytes(bytes / Math.max(0.001, elapsedMs / 1000))}/s`;

function barOf(stream: NodeJS.WriteStream, line: (progress: number) => string): cliProgress.SingleBar {
  const format: cliProgress.GenericFormatter = (_options, { progress }) => line(progress);
  return new cliProgress.SingleBar({ stream, fps: FPS, hideCursor: true, clearOnComplete: true, format });
}

const BAR_WIDTH = 30;

export function drawBar(fraction: number, width = BAR_WIDTH): string {
  const full = Math.round(Math.min(1, Math.max(0, fraction)) * width);
  return '█'.repeat(full) + '░'.repeat(width - full);
}
