import { fork } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Logger } from '../../base/log.ts';
import type { SnapshotMark } from '../core/raft/types.ts';
import type { SnapshotName } from '../log/files.ts';

/** What a snapshot is made of, and where it goes. */
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

/**
 * Makes a snapshot in a process of its own, out of the newest snapshot and the log: the same entries, applied by the same code, give the same
 * tree, so nobody has to copy the tree of the server that goes on. A server that walked its own tree would have to stand still for it (a second
 * for a million nodes, and the snapshot of a tree that changes meanwhile is none), or keep what changes twice; Node cannot fork. The price is
 * the memory of a second tree for as long as it takes, and processor time at the lowest priority. It buys a proof too: the files can be read.
 */
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
  try {
    if (child.pid !== undefined) setPriority(child.pid, PRIORITY);
  } catch {
    // It may have ended already, and not all systems let a process be lowered.
  }
  let lastWords = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    lastWords = (lastWords + text).slice(-2_000);
  });
  try {
    const made = new Promise<SnapshotMark>((resolve, reject) => {
      child.once('message', (message: SnapshotterMessage) => {
        if (message.kind === 'made') resolve(message.mark);
        else reject(new Error(message.problem));
      });
      child.once('error', reject);
      child.once('exit', (code, killedBy) => reject(new Error(`the snapshotter ended with ${killedBy ?? code}: ${lastWords}`)));
    });
    child.send(order, () => {}); // one that is gone says so by its exit
    return await made;
  } catch (error) {
    await rm(join(order.dir, order.to), { force: true }).catch(() => {});
    await rm(join(order.dir, `${order.to}.tmp`), { force: true }).catch(() => {});
    throw error;
  } finally {
    signal.removeEventListener('abort', kill);
    kill();
    log.debug({ index: order.index }, 'nuwa.snapshotter.ended');
  }
}

/** That of our own build where we run from one, else its source through tsx. */
function programOf(): { program: string; execArgv: string[] } {
  const build = process.env.FEITIAN_BUILD;
  if (build) return { program: join(build, 'snapshotter.js'), execArgv: ['--enable-source-maps'] };
  const tsx = createRequire(import.meta.url).resolve('tsx/esm');
  return { program: fileURLToPath(new URL('main.ts', import.meta.url)), execArgv: ['--import', pathToFileURL(tsx).href] };
}
