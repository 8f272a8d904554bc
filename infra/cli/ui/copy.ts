/**
 * Copies between this machine and Pangu. Like `cp -r`: a directory is copied into one that is there, or becomes one that is not; of several
 * sources each goes into the destination directory. A plan is made first, so that mistakes show before a byte moves; then files go side by side.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, posix, resolve } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { hasCode } from '../../../services/base/errors.ts';
import type { FileStat, PanguClient, WriteOptions } from '../../../services/pangu/contract.ts';
import { UsageError } from './action.ts';
import { createBytesBar } from './bars.ts';

/** Enough to hide the round trips of small files; more would only share the same disks. */
const FILES_AT_ONCE = 4;

interface Copy {
  from: string;
  to: string;
  bytes: number;
}

export interface Copied {
  files: number;
  directories: number;
  bytes: number;
}

export const STANDARD = '-';

// ---- put ----

export async function put(pangu: PanguClient, sources: string[], destination: string, options: WriteOptions): Promise<Copied> {
  if (sources.includes(STANDARD)) {
    if (sources.length > 1) throw new UsageError('- (standard input) must be the only source');
    return putStream(pangu, process.stdin, destination, options);
  }
  const into = sources.length > 1 || destination.endsWith('/') || (await panguStat(pangu, destination))?.type === 'directory';
  const plan: { files: Copy[]; directories: string[] } = { files: [], directories: [] };
  for (const source of sources) await planPut(source, into ? childPath(destination, basename(resolve(source))) : destination, plan);
  for (const directory of plan.directories) await pangu.mkdir(directory, { recursive: true });
  await copyAll('put', plan.files, ({ from, to }, count) =>
    pipeline(createReadStream(from), count, pangu.createWriteStream(to, { ...options, parents: true })),
  );
  return summary(plan.files, plan.directories);
}

async function planPut(from: string, to: string, plan: { files: Copy[]; directories: string[] }): Promise<void> {
  const found = await stat(from).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${from} ${error.code === 'ENOENT' ? 'is not there' : `cannot be read: ${error.message}`}`, { cause: error });
  });
  if (!found.isDirectory()) {
    plan.files.push({ from, to, bytes: found.size });
    return;
  }
  plan.directories.push(to);
  const entries = await readdir(from, { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries)
    if (entry.isDirectory() || entry.isFile() || entry.isSymbolicLink())
      await planPut(join(from, entry.name), childPath(to, entry.name), plan);
}

async function putStream(pangu: PanguClient, source: NodeJS.ReadableStream, destination: string, options: WriteOptions): Promise<Copied> {
  const bar = createBytesBar('put', undefined);
  let bytes = 0;
  const count = counting((length) => {
    bytes += length;
    bar.add(length);
  });
  try {
    await pipeline(source, count, pangu.createWriteStream(destination, { ...options, parents: true }));
  } finally {
    bar.stop();
  }
  return { files: 1, directories: 0, bytes };
}

// ---- get ----

export async function get(pangu: PanguClient, sources: string[], destination: string): Promise<Copied> {
  const found = (await Promise.all(sources.map((source) => expand(pangu, source)))).flat();
  if (destination === STANDARD) {
    const directory = found.find((file) => file.type === 'directory');
    if (directory) throw new UsageError(`${directory.path} is a directory; only files can go to standard output`);
    for (const file of found) if (!(await toStandardOutput(pangu, file.path))) break;
    return { files: found.length, directories: 0, bytes: found.reduce((sum, file) => sum + file.size, 0) };
  }
  const into = found.length > 1 || destination.endsWith('/') || (await isLocalDirectory(destination));
  const plan: { files: Copy[]; directories: string[] } = { files: [], directories: [] };
  for (const file of found) await planGet(pangu, file, into ? join(destination, posix.basename(file.path)) : destination, plan);
  for (const directory of plan.directories) await mkdir(directory, { recursive: true });
  await copyAll('get', plan.files, async ({ from, to }, count) => {
    await mkdir(dirname(to), { recursive: true });
    const unfinished = `${to}.part`; // whoever sees the name sees the whole file
    try {
      await pipeline(pangu.createReadStream(from), count, createWriteStream(unfinished));
      await rename(unfinished, to);
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
  });
  return summary(plan.files, plan.directories);
}

async function planGet(pangu: PanguClient, file: FileStat, to: string, plan: { files: Copy[]; directories: string[] }): Promise<void> {
  if (file.type === 'file') {
    plan.files.push({ from: file.path, to, bytes: file.size });
    return;
  }
  plan.directories.push(to);
  for await (const entry of pangu.readdir(file.path)) await planGet(pangu, entry, join(to, posix.basename(entry.path)), plan);
}

// ---- both ----

/** `posix.join` would make one slash of the two in `pangu://`. */
export const childPath = (directory: string, name: string): string => `${directory.replace(/\/+$/, '')}/${name}`;

/** The files that a pattern names, or the one file or directory that a path names. */
export async function expand(pangu: PanguClient, pattern: string): Promise<FileStat[]> {
  if (!/[*?[\]{}]/.test(pattern)) return [await pangu.stat(pattern)];
  const found = await pangu.glob(pattern);
  if (found.length === 0) throw new Error(`nothing matches ${pattern} (see what is there with: feitian fs ls)`);
  return found;
}

export async function panguStat(pangu: PanguClient, path: string): Promise<FileStat | undefined> {
  try {
    return await pangu.stat(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** A reader that goes away (`| head`) ends the output, and is no failure. @returns whether anybody still reads. */
export async function toStandardOutput(pangu: PanguClient, path: string): Promise<boolean> {
  for await (const piece of pangu.createReadStream(path)) if (!(await written(piece as Buffer))) return false;
  return true;
}

function written(piece: Buffer): Promise<boolean> {
  const { stdout } = process;
  // What went wrong is told to the write; without a listener it would be told a second time, to the process.
  if (!stdout.listeners('error').includes(ignore)) stdout.on('error', ignore);
  return new Promise((resolve, reject) => {
    stdout.write(piece, (error?: NodeJS.ErrnoException | null) => {
      if (!error) resolve(true);
      else if (error.code === 'EPIPE') resolve(false);
      else reject(error);
    });
  });
}

const ignore = (): void => {};

async function copyAll(label: string, files: Copy[], copy: (file: Copy, count: Transform) => Promise<void>): Promise<void> {
  const bar = createBytesBar(
    label,
    files.reduce((sum, file) => sum + file.bytes, 0),
  );
  const queue = files.values();
  let failed = false;
  const worker = async (): Promise<void> => {
    for (const file of queue) {
      if (failed) return;
      await copy(
        file,
        counting((length) => bar.add(length)),
      ).catch((error) => {
        failed = true;
        throw error;
      });
    }
  };
  try {
    const outcomes = await Promise.allSettled(Array.from({ length: Math.min(FILES_AT_ONCE, files.length) }, worker));
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  } finally {
    bar.stop();
  }
}

function counting(onBytes: (length: number) => void): Transform {
  return new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      onBytes(chunk.length);
      done(null, chunk);
    },
  });
}

async function isLocalDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

function summary(files: Copy[], directories: string[]): Copied {
  return { files: files.length, directories: directories.length, bytes: files.reduce((sum, file) => sum + file.bytes, 0) };
}
