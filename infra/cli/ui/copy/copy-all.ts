import { setMaxListeners } from 'node:events';
import { inParallel } from '../../../../services/base/in-parallel.ts';
import { describeError } from '../action.ts';
import { createCopyBar } from '../bars.ts';
import type { CopyJournal, DoneEntry } from './journal.ts';
import { checkPlan, type Failed, type FileCopy, isOfOneFile, type Plan } from './plan.ts';
import { Slots } from './slots.ts';

/** Small files in flight: enough to hide the round trips of a create, a write and a commit each. */
const SLOTS = 32;
/** A large file is a stream with a window of its own; a few of them are as fast as disks and network let them be. */
const LARGE_BYTES = 4 * 1024 * 1024;
const LARGE_SLOTS = 8;
const DIRECTORIES_AT_ONCE = 16;

export interface Copied {
  files: number;
  directories: number;
  bytes: number;
  /** Left out because they were there: finished by the same command before, or the same byte for byte. */
  skipped: number;
  failed: Failed[];
}

export interface Ways {
  /** What the journal says of a file that is whole, taken anew; a target that is not there has none. */
  sourcePrint(file: FileCopy): Promise<string | undefined>;
  targetPrint(file: FileCopy): Promise<string | undefined>;
  /** Whether the copy is there already, told by its bytes. */
  isSame(file: FileCopy): Promise<boolean>;
  copy(file: FileCopy, onBytes: (bytes: number) => void): Promise<DoneEntry & { bytes: number }>;
}

export interface CopyOptions {
  journal: CopyJournal;
  /** Ends it between two pieces; what was finished stays. */
  signal: AbortSignal;
  /** Leave out what has the same bytes, whoever copied it. */
  skipSame?: boolean | undefined;
}

/** Makes the directories of a plan, once it is known to make sense. `into`: see journal.ts. */
export async function prepare(plan: Plan, into: boolean, journal: CopyJournal, make: (path: string) => Promise<void>): Promise<void> {
  checkPlan(plan);
  await journal.begin(into);
  try {
    await inParallel(plan.directories, DIRECTORIES_AT_ONCE, () => true, make);
  } catch (error) {
    await journal.close(journal.isNew);
    throw error;
  }
}

/** Copies the files of a plan side by side. It throws what ends all of it; trouble with one file is in the result. */
export async function copyAll(label: string, plan: Plan, ways: Ways, { journal, signal, skipSame }: CopyOptions): Promise<Copied> {
  const { files, directories } = plan;
  // Each copy that is under way listens.
  setMaxListeners(0, signal);
  const copied: Copied = { files: 0, directories: directories.length, bytes: 0, skipped: 0, failed: [...plan.failed] };
  const bar = createCopyBar(label, { files: files.length, bytes: files.reduce((sum, file) => sum + file.bytes, 0) });
  const slots = new Slots(SLOTS);
  const running = new Set<Promise<void>>();
  let ended: { why: unknown } | undefined;

  const isDone = async (file: FileCopy): Promise<boolean> => {
    const entry = journal.done(file.to);
    if (entry && (await ways.targetPrint(file)) === entry.target && (await ways.sourcePrint(file)) === entry.source) return true;
    return skipSame === true && (await ways.isSame(file));
  };
  const copyOne = async (file: FileCopy): Promise<void> => {
    try {
      if (await isDone(file)) {
        copied.skipped++;
        bar.skip(file.bytes);
        return;
      }
      const { bytes, ...done } = await ways.copy(file, (length) => bar.add(length));
      copied.files++;
      copied.bytes += bytes;
      bar.finishFile();
      await journal.addDone(file.to, done);
    } catch (error) {
      if (signal.aborted) return;
      if (isOfOneFile(error)) copied.failed.push({ path: file.from, why: describeError(error) });
      else ended ??= { why: error };
    }
  };

  try {
    for (const file of files) {
      const share = file.bytes < LARGE_BYTES ? 1 : LARGE_SLOTS;
      await slots.take(share);
      if (ended || signal.aborted) break;
      const task = copyOne(file).finally(() => {
        running.delete(task);
        slots.give(share);
      });
      running.add(task);
    }
    await Promise.all(running);
  } finally {
    bar.stop();
  }
  const left = files.length - copied.files - copied.skipped;
  const isWhole = !ended && !signal.aborted && left === 0 && copied.failed.length === 0;
  await journal.close(isWhole || (journal.isNew && journal.isEmpty && directories.length === 0));
  if ((ended || signal.aborted) && left < files.length)
    process.stderr.write(`feitian: ${left} of ${files.length} files are left; the same command goes on from there\n`);
  if (ended) throw ended.why;
  return copied;
}
