/**
 * Gets one partition from the winners of all source tasks: first everything is fetched, some files side by side, into memory as far as the share goes
 * and onto the local disk beyond it; then it is merged. So a program never waits for the network between two values, and whether an
 * input is lost is known before the program begins, for all of them and not just the first.
 *
 * A file that cannot be read is tried again for some seconds, for a chunk server that starts anew is back by then. All files share one such
 * time: it begins with the first try that failed. While one waits, others are fetched in its place.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { hasCode, messageOf } from '../../base/errors.ts';
import type { FileStat, PanguClient, PanguFile } from '../../pangu/contract.ts';
import { attemptPath, FuxiError, type TaskInput } from '../contract.ts';
import type { Cursor } from '../core/cursor.ts';
import { mergeCursors } from '../core/merge.ts';
import { RunCursor } from '../core/run.ts';
import { decodeTail, entryPosition, type Run } from '../core/shuffle-file.ts';
import { winningAttempt } from '../core/winners.ts';
import { storageFailure } from './failures.ts';
import { readBytesOf, ScratchFile } from './local-runs.ts';

/** How long a file may stay unreadable. Longer than a chunk server's restart, shorter than making its contents again. */
const LOST_AFTER_MS = 6_000;
/** Of one read; what is tried again after it may meanwhile have been found elsewhere. */
const PATIENCE_MS = 1_500;
const RETRY_MS = 250;
const FETCHES_AT_ONCE = 8;
/** The end of a file, which is read first, is there in milliseconds. If not by now, it waits for a server that is away. */
const STUCK_MS = 1_000;
const FETCH_BYTES = 1 << 20;
/** With the footer: the index entry of any of 2,700 partitions. */
const TAIL_BYTES = 64 << 10;

type ShuffleInput = Extract<TaskInput, { kind: 'shuffle' }>;

export interface FetchedPartition {
  cursor: Cursor;
  close(): void;
}

interface Source {
  task: string;
  instance: number;
  path: string;
}

type Fetched = { memory: Uint8Array } | { offset: number; length: number };

export async function fetchPartition(
  pangu: PanguClient,
  input: ShuffleInput,
  partition: number,
  options: { memoryBytes: number; scratch: string },
): Promise<FetchedPartition> {
  const sources = listSources(input);
  const fetched = new Array<Fetched | undefined>(sources.length);
  const lost: { source: Source; why: string }[] = [];
  const space = new Space(options);
  let deadlineMs = Number.POSITIVE_INFINITY;
  const answered = new Set<number>();
  let failed = false;

  const fetch = async (source: Source, index: number): Promise<void> => {
    while (!failed) {
      const startedMs = performance.now();
      try {
        fetched[index] = await fetchRun(pangu, source.path, partition, space, () => answered.add(index));
        return;
      } catch (error) {
        // Missing or torn files do not come back; servers do.
        const gone = hasCode(error, 'ENOENT', 'InputCorrupt');
        if (!gone && error instanceof FuxiError) throw error;
        deadlineMs = Math.min(deadlineMs, startedMs + LOST_AFTER_MS);
        if (gone || performance.now() > deadlineMs) {
          if (!gone && !hasCode(error, 'EIO')) throw storageFailure(error, `read ${source.path}`);
          lost.push({ source, why: messageOf(error) });
          return;
        }
        await delay(RETRY_MS);
      }
    }
  };
  try {
    await inParallel(sources, fetch, (index) => !answered.has(index));
    if (lost.length > 0) throw shuffleLost(lost);
  } catch (error) {
    failed = true;
    space.close();
    throw error;
  }
  const runs = fetched.filter((run) => run !== undefined);
  const readBytes = readBytesOf(runs.length, options.memoryBytes);
  const cursors = runs.map((run) => ('memory' in run ? new RunCursor(run.memory) : space.file.cursor(run.offset, run.length, readBytes)));
  return { cursor: mergeCursors(cursors), close: () => space.close() };
}

/** A few at once; one that is `stuck` after a while gives up its place, and goes on beside the others. */
async function inParallel<T>(
  items: T[],
  work: (item: T, index: number) => Promise<void>,
  stuck: (index: number) => boolean,
): Promise<void> {
  const aside: Promise<void>[] = [];
  let next = 0;
  const place = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      const working = work(items[index]!, index);
      const timer = new AbortController();
      const late = delay(STUCK_MS, 'late', { signal: timer.signal }).catch(() => undefined);
      const first = await Promise.race([working, late]).finally(() => timer.abort());
      if (first !== 'late') continue;
      if (!stuck(index)) {
        await working;
        continue;
      }
      working.catch(() => {}); // heard below
      aside.push(working);
    }
  };
  await Promise.all(Array.from({ length: Math.min(FETCHES_AT_ONCE, items.length) }, place));
  await Promise.all(aside);
}

function listSources(input: ShuffleInput): Source[] {
  return input.from.flatMap(({ task, directory, winners }) =>
    Array.from({ length: winners.instances }, (_, instance) => ({
      task,
      instance,
      path: attemptPath(directory, instance, winningAttempt(winners, instance)),
    })),
  );
}

async function fetchRun(pangu: PanguClient, path: string, partition: number, space: Space, onAnswer: () => void): Promise<Fetched> {
  const file = await pangu.open(path, 'r', { patienceMs: PATIENCE_MS });
  try {
    const run = await findRun(file, await sizeOf(pangu, file), partition);
    onAnswer();
    if (run.length === 0) return { memory: Buffer.alloc(0) };
    if (run.length <= space.memoryLeft) {
      space.memoryLeft -= run.length;
      try {
        return { memory: await readWhole(file, run.offset, run.length) };
      } catch (error) {
        space.memoryLeft += run.length;
        throw error;
      }
    }
    const offset = space.reserve(run.length);
    for (let done = 0; done < run.length; done += FETCH_BYTES) {
      const bytes = await readWhole(file, run.offset + done, Math.min(FETCH_BYTES, run.length - done));
      space.file.write(bytes, offset + done);
    }
    return { offset, length: run.length };
  } finally {
    await file.close();
  }
}

/** A reader knows the length it opened; asking for it again would double what a reduce asks the master. */
async function sizeOf(pangu: PanguClient, file: PanguFile & { stat?: FileStat }): Promise<number> {
  return (file.stat ?? (await pangu.stat(file.path))).size;
}

async function findRun(file: PanguFile, size: number, partition: number): Promise<Run> {
  const tailStart = Math.max(0, size - TAIL_BYTES);
  const tail = await readWhole(file, tailStart, size - tailStart);
  const found = decodeTail(tail, size, partition);
  if (found.run !== 'short') return found.run;
  const start = entryPosition(size, found.partitions, partition);
  const longer = decodeTail(await readWhole(file, start, size - start), size, partition);
  if (longer.run === 'short') throw new FuxiError('InputCorrupt', `the index of ${file.path} does not fit its length`);
  return longer.run;
}

/** Reads of a file return fewer bytes only at its end, which is never within a range that its index names. */
async function readWhole(file: PanguFile, position: number, length: number): Promise<Buffer> {
  const bytes = await file.read(position, length);
  if (bytes.length < length) throw new FuxiError('InputCorrupt', `${file.path} ends at ${position + bytes.length}, within a run`);
  return bytes;
}

function shuffleLost(lost: { source: Source; why: string }[]): FuxiError {
  const { task } = lost[0]!.source;
  const instances = lost.filter(({ source }) => source.task === task).map(({ source }) => source.instance);
  instances.sort((a, b) => a - b);
  const which =
    instances.length === 1 ? `output of ${task} ${instances[0]} is` : `outputs of ${task} ${instances.slice(0, 20).join(', ')} are`;
  return new FuxiError('ShuffleLost', `the ${which} lost: ${lost[0]!.why}`, { details: { task, instances } });
}

/** Where fetched runs go: memory while there is any left, then one local file. */
class Space {
  memoryLeft: number;
  readonly #scratch: string;
  #file: ScratchFile | undefined;
  #reserved = 0;

  constructor({ memoryBytes, scratch }: { memoryBytes: number; scratch: string }) {
    this.memoryLeft = memoryBytes;
    this.#scratch = scratch;
  }

  get file(): ScratchFile {
    this.#file ??= new ScratchFile(this.#scratch);
    return this.#file;
  }

  reserve(bytes: number): number {
    const offset = this.#reserved;
    this.#reserved += bytes;
    return offset;
  }

  close(): void {
    this.#file?.close();
  }
}
