import { createHash } from 'node:crypto';
import { type FileHandle, lstat, mkdir, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, posix } from 'node:path';
import type { FileStat, PanguClient } from '../../../../services/pangu/contract.ts';
import { crc } from '../../../../services/pangu/crc.ts';
import { UsageError } from '../action.ts';
import { childrenOf, expand, panguStat } from '../pangu-paths.ts';
import { type Copied, type CopyOptions, copyAll, prepare } from './copy-all.ts';
import type { CopyJournal, DoneEntry } from './journal.ts';
import { emptyPlan, type FileCopy, FileTrouble, isOfOneFile, type Plan } from './plan.ts';
import { bytesPrint, localPrint, localSum, panguPrint, statPrint } from './prints.ts';
import { STANDARD, toStandardOutput } from './standard.ts';

/** So much of a large file may have to be fetched again. */
const MARK_BYTES = 32 * 1024 * 1024;

type PlannedGet = Map<string, FileStat>;

/** From Pangu to this machine. Whoever sees a name sees the whole file: until then it has one of its own beside it. */
export async function get(pangu: PanguClient, sources: readonly string[], destination: string, how: CopyOptions): Promise<Copied> {
  const found = (await Promise.all(sources.map((source) => expand(pangu, source)))).flat();
  if (destination === STANDARD) return getToStandard(pangu, found);
  const isDirectory = (await stat(destination).catch(() => undefined))?.isDirectory() ?? false;
  const into = how.journal.into ?? (found.length > 1 || destination.endsWith('/') || isDirectory);
  const plan = emptyPlan();
  const stats: PlannedGet = new Map();
  for (const file of found) await planGet(pangu, file, into ? join(destination, posix.basename(file.path)) : destination, plan, stats);
  await prepare(plan, into, how.journal, async (directory) => {
    await mkdir(directory, { recursive: true });
  });
  return copyAll(
    'get',
    plan,
    {
      sourcePrint: async ({ from }) => statPrint(stats.get(from)!),
      targetPrint: ({ to }) => localPrint(to),
      isSame: async ({ from, to, bytes }) => {
        const here = await stat(to).catch(() => undefined);
        return here?.isFile() === true && here.size === bytes && (await localPrint(to)) === (await panguPrint(pangu, from));
      },
      copy: (file, onBytes) => getFile(pangu, file, stats.get(file.from)!, how, onBytes),
    },
    how,
  );
}

async function getToStandard(pangu: PanguClient, found: readonly FileStat[]): Promise<Copied> {
  const directory = found.find((file) => file.type === 'directory');
  if (directory) throw new UsageError(`${directory.path} is a directory; only files can go to standard output`);
  for (const file of found) if (!(await toStandardOutput(pangu.createReadStream(file.path)))) break;
  return { files: found.length, directories: 0, bytes: found.reduce((sum, file) => sum + file.size, 0), skipped: 0, failed: [] };
}

async function planGet(pangu: PanguClient, file: FileStat, to: string, plan: Plan, stats: PlannedGet): Promise<void> {
  if (file.type === 'file') {
    plan.files.push({ from: file.path, to, bytes: file.size });
    stats.set(file.path, file);
    return;
  }
  plan.directories.push(to);
  try {
    for await (const entry of childrenOf(pangu, file.path)) await planGet(pangu, entry, join(to, posix.basename(entry.path)), plan, stats);
  } catch (error) {
    if (!isOfOneFile(error)) throw error;
    plan.failed.push({ path: file.path, why: error.message });
  }
}

async function getFile(
  pangu: PanguClient,
  { from, to }: FileCopy,
  planned: FileStat,
  { journal, signal }: CopyOptions,
  onBytes: (bytes: number) => void,
): Promise<DoneEntry & { bytes: number }> {
  await mkdir(dirname(to), { recursive: true });
  const source = statPrint(planned);
  const place = await placeOf(to);
  if (place.takesBytes) return getInto(pangu, from, place.path, source, signal, onBytes);
  const unfinished = partPath(place.path);
  const begun = await begunPart(journal, to, unfinished, source);
  const part = begun?.handle ?? (await open(unfinished, 'w'));
  let { length: at, crc: sum } = begun ?? { length: 0, crc: 0 };
  let marked = at;
  onBytes(at);
  try {
    try {
      for await (const piece of pangu.createReadStream(from, { start: at })) {
        signal.throwIfAborted();
        await writeAll(part, piece as Buffer, at);
        sum = crc(piece as Buffer, sum);
        at += (piece as Buffer).length;
        onBytes((piece as Buffer).length);
        if (at - marked >= MARK_BYTES) await journal.addPart(to, { source, length: (marked = at), crc: sum });
      }
    } finally {
      await part.close();
    }
    // The first part is of the file as it was: a new one at its name must not be glued to it.
    const now = begun && (await panguStat(pangu, from));
    if (begun && (!now || statPrint(now) !== source)) throw new FileTrouble('it was changed since the copy began');
    await rename(unfinished, place.path);
  } catch (error) {
    if (marked === 0 || !signal.aborted) await rm(unfinished, { force: true });
    throw error;
  }
  return { bytes: at - (begun?.length ?? 0), source, target: bytesPrint(at, sum) };
}

/** Where a name leads: links are followed, as `cp` does, and what is no file, a device or a pipe, takes bytes as they come. Errors: FileTrouble, a link that leads nowhere. */
async function placeOf(to: string): Promise<{ path: string; takesBytes: boolean }> {
  const path = await realpath(to).catch(() => to);
  if ((await lstat(path).catch(() => undefined))?.isSymbolicLink()) throw new FileTrouble('it is a link that leads nowhere');
  const there = await stat(path).catch(() => undefined);
  return { path, takesBytes: there !== undefined && !there.isFile() && !there.isDirectory() };
}

async function getInto(
  pangu: PanguClient,
  from: string,
  to: string,
  source: string,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
) {
  const target = await open(to, 'w');
  let bytes = 0;
  let sum = 0;
  try {
    for await (const piece of pangu.createReadStream(from)) {
      signal.throwIfAborted();
      await target.writeFile(piece as Buffer);
      sum = crc(piece as Buffer, sum);
      bytes += (piece as Buffer).length;
      onBytes((piece as Buffer).length);
    }
  } finally {
    await target.close();
  }
  return { bytes, source, target: bytesPrint(bytes, sum) };
}

/** Short whatever the name is, and not the name of anything else that is copied. */
export function partPath(to: string): string {
  return join(dirname(to), `.feitian-part-${createHash('sha256').update(basename(to)).digest('hex').slice(0, 16)}`);
}

/** An unfinished copy of the same source, cut back to what is known to be right of it. */
async function begunPart(journal: CopyJournal, to: string, path: string, source: string) {
  const entry = journal.part(to);
  if (entry?.source !== source) return undefined;
  const handle = await open(path, 'r+').catch(() => undefined);
  if (!handle) return undefined;
  if ((await handle.stat()).size >= entry.length && (await localSum(handle, entry.length)) === entry.crc) {
    await handle.truncate(entry.length);
    return { handle, length: entry.length, crc: entry.crc };
  }
  await handle.close();
  return undefined;
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
}
