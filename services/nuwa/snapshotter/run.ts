import { type ChildProcess, fork } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Logger } from '../../base/log.ts';
import type { SnapshotMark } from '../core/raft/types.ts';
import type { SnapshotName } from '../log/files.ts';

/**
 * A snapshot is made by a process of its own, out of the newest snapshot and the log: it loads the one and applies the other, as a server that
 * starts does, and writes down the tree that it then has. The server has no part in it but to have sealed what is read.
 *
 * The usual ways take the tree that the server has. But it changes with every entry, and a snapshot of a tree that changes meanwhile is none.
 * So the server would stand still for as long as the writing down takes (half a second for a million nodes), or keep what changes twice, with
 * the cost at every change and in every reader's code, or fork and let the kernel do that, which Node cannot. The same entries, applied by the
 * same code, give the same tree: so nobody needs the server's.
 *
 * It costs the memory of a second tree for a while, and processor time at the lowest priority: three seconds for a million nodes, of which a busy
 * machine makes ten or more; the log grows meanwhile. It buys a proof as well: each snapshot is made of the one before it, so whatever a restart would stumble on, this does first, while the
 * server still has the tree in its memory.
 */
export interface SnapshotOrder {
  dir: string;
  /** All entries up to here. */
  index: number;
  /** The newest snapshot, and the sealed segments after it. */
  from: { snapshot: SnapshotName; segments: readonly number[] };
  /** A file of the directory that nobody looks at. */
  to: string;
}

export type SnapshotterMessage = { kind: 'made'; mark: SnapshotMark } | { kind: 'failed'; problem: string };

/** Whatever else runs on the machine goes first. */
const PRIORITY = 19;
const LAST_WORDS_MAX = 2_000;

/** Resolves when the file is whole, on the disk, and was read again. Rejects when that was not to be, the process gone and nothing left of the file. */
export async function runSnapshotter({
  log,
  signal,
  ...order
}: SnapshotOrder & { log: Logger; signal: AbortSignal }): Promise<SnapshotMark> {
  signal.throwIfAborted();
  const { program, execArgv } = programOf();
  const child = fork(program, [], { execArgv, serialization: 'advanced', stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  signal.addEventListener('abort', kill);
  lower(child);
  log.debug({ index: order.index, childPid: child.pid }, 'nuwa.snapshotter.started');
  try {
    const ended = endOf(child);
    const answered = answerOf(child);
    child.send(order, () => {}); // one that is gone says so by its end
    const { problem } = await ended;
    const answer = answered();
    if (answer?.kind === 'made') return answer.mark;
    signal.throwIfAborted();
    throw new Error(answer?.problem ?? `the snapshotter ended without an answer: ${problem}`);
  } catch (error) {
    for (const name of [order.to, `${order.to}.tmp`]) await rm(join(order.dir, name), { force: true }).catch(() => {});
    throw error;
  } finally {
    signal.removeEventListener('abort', kill);
  }
}

/** As soon as it is there: the threads that it starts take it over. */
function lower({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) setPriority(pid, PRIORITY);
  } catch {
    // It ended already, or the system does not let it be lowered; it is made all the same.
  }
}

function answerOf(child: ChildProcess): () => SnapshotterMessage | undefined {
  let answer: SnapshotterMessage | undefined;
  child.once('message', (message: SnapshotterMessage) => {
    answer = message;
  });
  return () => answer;
}

/** Resolves when the process is gone and all that it said has come, or when it could not be started. */
function endOf(child: ChildProcess): Promise<{ problem: string }> {
  let lastWords = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    lastWords = (lastWords + text).slice(-LAST_WORDS_MAX);
  });
  return new Promise((resolve) => {
    child.once('error', ({ message }) => resolve({ problem: message }));
    child.once('close', (code, killedBy) => resolve({ problem: `${killedBy ?? `code ${code}`} ${lastWords}`.trimEnd() }));
  });
}

/** That of our own build where we run from one, else its source through tsx. It gets as large a heap as we have: the same tree goes in. */
function programOf(): { program: string; execArgv: string[] } {
  const heap = process.execArgv.filter((option) => /^--max[-_]old[-_]space[-_]size=/.test(option));
  const build = process.env.FEITIAN_BUILD;
  if (build) return { program: join(build, 'snapshotter.js'), execArgv: [...heap, '--enable-source-maps'] };
  const tsx = createRequire(import.meta.url).resolve('tsx/esm');
  return { program: fileURLToPath(new URL('main.ts', import.meta.url)), execArgv: [...heap, '--import', pathToFileURL(tsx).href] };
}
