/**
 * Copies between this machine and Pangu, and within Pangu. Like `cp -r`: a directory is copied into one that is there, or becomes one that is not; of several
 * sources each goes into the destination directory. A plan is made first, so that mistakes show before a byte moves; then files go side by side.
 * Each file appears when it is whole, so a copy that was interrupted can be made again and leave out what is there (resume.ts).
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, posix, resolve } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { FileStat, PanguClient, WriteOptions } from '../../../services/pangu/contract.ts';
import { isWithin, parsePath } from '../../../services/pangu/core/path.ts';
import { UsageError } from './action.ts';
import { createBytesBar } from './bars.ts';
import { childPath, expand, panguStat } from './pangu-paths.ts';
import { isThereAlready, type ResumeOptions, type Side } from './resume.ts';

/** Enough to hide the round trips of small files; more would only share the same disks. */
const FILES_AT_ONCE = 4;

interface Copy {
  from: string;
  to: string;
  bytes: number;
  modifiedAtMs: number;
}

export interface Copied {
  files: number;
  directories: number;
  bytes: number;
  /** Files left out because they were there; only where that was asked for. */
  skipped?: number;
}

interface Plan {
  files: Copy[];
  directories: string[];
}

export const STANDARD = '-';

// ---- put ----

export async function put(
  pangu: PanguClient,
  sources: string[],
  destination: string,
  options: WriteOptions,
  resume: ResumeOptions = {},
): Promise<Copied> {
  if (sources.includes(STANDARD)) {
    if (sources.length > 1) throw new UsageError('- (standard input) must be the only source');
    return putStream(pangu, process.stdin, destination, options);
  }
  const into = sources.length > 1 || destination.endsWith('/') || (await panguStat(pangu, destination))?.type === 'directory';
  const plan: Plan = { files: [], directories: [] };
  for (const source of sources) await planPut(source, into ? childPath(destination, basename(resolve(source))) : destination, plan);
  for (const directory of plan.directories) await pangu.mkdir(directory, { recursive: true });
  return copyAll('put', plan, resume, {
    source: localSide,
    target: ({ to }) => panguSide(pangu, to),
    copy: ({ from, to }, count) => pipeline(createReadStream(from), count, pangu.createWriteStream(to, { ...options, parents: true })),
  });
}

async function planPut(from: string, to: string, plan: Plan): Promise<void> {
  const found = await stat(from).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${from} ${error.code === 'ENOENT' ? 'is not there' : `cannot be read: ${error.message}`}`, { cause: error });
  });
  if (!found.isDirectory()) {
    plan.files.push({ from, to, bytes: found.size, modifiedAtMs: found.mtimeMs });
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

export async function get(pangu: PanguClient, sources: string[], destination: string, resume: ResumeOptions = {}): Promise<Copied> {
  const found = (await Promise.all(sources.map((source) => expand(pangu, source)))).flat();
  if (destination === STANDARD) {
    const directory = found.find((file) => file.type === 'directory');
    if (directory) throw new UsageError(`${directory.path} is a directory; only files can go to standard output`);
    for (const file of found) if (!(await toStandardOutput(pangu, file.path))) break;
    return { files: found.length, directories: 0, bytes: found.reduce((sum, file) => sum + file.size, 0) };
  }
  const into = found.length > 1 || destination.endsWith('/') || (await isLocalDirectory(destination));
  const plan: Plan = { files: [], directories: [] };
  for (const file of found) await planGet(pangu, file, into ? join(destination, posix.basename(file.path)) : destination, plan);
  for (const directory of plan.directories) await mkdir(directory, { recursive: true });
  return copyAll('get', plan, resume, {
    source: ({ from, bytes, modifiedAtMs }) => ({ bytes, modifiedAtMs, read: () => pangu.createReadStream(from) }),
    target: async ({ to }) => {
      const found = await stat(to).catch(() => undefined);
      return found?.isFile() ? localSide({ from: to, bytes: found.size, modifiedAtMs: found.mtimeMs }) : undefined;
    },
    copy: (file, count) => getFile(pangu, file, count, resume),
  });
}

/** Whoever sees the name sees the whole file. What was begun stays beside it when the copy may be made again, and is gone on with. */
async function getFile(
  pangu: PanguClient,
  { from, to, bytes, modifiedAtMs }: Copy,
  count: Transform,
  resume: ResumeOptions,
): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  const unfinished = `${to}.part`;
  const begun = resume.resume && !resume.checksum ? await stat(unfinished).catch(() => undefined) : undefined;
  const start = begun && begun.size <= bytes && begun.mtimeMs >= modifiedAtMs ? begun.size : 0;
  try {
    await pipeline(pangu.createReadStream(from, { start }), count, createWriteStream(unfinished, { flags: start > 0 ? 'a' : 'w' }));
    await rename(unfinished, to);
  } catch (error) {
    if (!resume.resume) await rm(unfinished, { force: true });
    throw error;
  }
}

async function planGet(pangu: PanguClient, file: FileStat, to: string, plan: Plan): Promise<void> {
  if (file.type === 'file') {
    plan.files.push({ from: file.path, to, bytes: file.size, modifiedAtMs: file.modifiedAtMs });
    return;
  }
  plan.directories.push(to);
  for await (const entry of pangu.readdir(file.path)) await planGet(pangu, entry, join(to, posix.basename(entry.path)), plan);
}

// ---- within ----

/** Through this machine. A copy is cut into chunks, and has as many copies of them, as its source. */
export async function copyWithin(
  pangu: PanguClient,
  sources: string[],
  destination: string,
  options: ResumeOptions & { recursive?: boolean },
): Promise<Copied> {
  const found = (await Promise.all(sources.map((source) => expand(pangu, source)))).flat();
  const directory = found.find((file) => file.type === 'directory');
  if (directory && !options.recursive) throw new Error(`${directory.path} is a directory; add -r to copy it with all below it`);
  const into = found.length > 1 || destination.endsWith('/') || (await panguStat(pangu, destination))?.type === 'directory';
  const plan: Plan = { files: [], directories: [] };
  const shapes = new Map<string, WriteOptions>();
  for (const file of found) {
    const to = into ? childPath(destination, posix.basename(file.path)) : destination;
    if (isInside(to, file.path)) throw new Error(`${to} is ${file.path} itself, or inside it`);
    await planWithin(pangu, file, to, plan, shapes);
  }
  for (const each of plan.directories) await pangu.mkdir(each, { recursive: true });
  return copyAll('cp', plan, options, {
    source: ({ from, bytes, modifiedAtMs }) => ({ bytes, modifiedAtMs, read: () => pangu.createReadStream(from) }),
    target: ({ to }) => panguSide(pangu, to),
    copy: ({ from, to }, count) =>
      pipeline(pangu.createReadStream(from), count, pangu.createWriteStream(to, { ...shapes.get(from), parents: true })),
  });
}

async function planWithin(pangu: PanguClient, file: FileStat, to: string, plan: Plan, shapes: Map<string, WriteOptions>): Promise<void> {
  if (file.type === 'file') {
    plan.files.push({ from: file.path, to, bytes: file.size, modifiedAtMs: file.modifiedAtMs });
    shapes.set(file.path, { chunkBytes: file.chunkBytes, replicas: file.replicas });
    return;
  }
  plan.directories.push(to);
  for await (const entry of pangu.readdir(file.path))
    await planWithin(pangu, entry, childPath(to, posix.basename(entry.path)), plan, shapes);
}

const isInside = (inner: string, outer: string): boolean => isWithin(parsePath(inner).names, parsePath(outer).names);

// ---- all ----

function localSide({ from, bytes, modifiedAtMs }: Pick<Copy, 'from' | 'bytes' | 'modifiedAtMs'>): Side {
  return { bytes, modifiedAtMs, read: () => createReadStream(from) };
}

async function panguSide(pangu: PanguClient, path: string): Promise<Side | undefined> {
  const found = await panguStat(pangu, path);
  if (found?.type !== 'file' || found.state === 'open') return undefined;
  return { bytes: found.size, modifiedAtMs: found.modifiedAtMs, read: () => pangu.createReadStream(path) };
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

interface Ways {
  source(file: Copy): Side;
  target(file: Copy): Promise<Side | undefined>;
  copy(file: Copy, count: Transform): Promise<void>;
}

async function copyAll(label: string, { files, directories }: Plan, resume: ResumeOptions, ways: Ways): Promise<Copied> {
  const bar = createBytesBar(
    label,
    files.reduce((sum, file) => sum + file.bytes, 0),
  );
  const queue = files.values();
  const resuming = Boolean(resume.resume || resume.checksum);
  const copied: Copied = { files: 0, directories: directories.length, bytes: 0, ...(resuming ? { skipped: 0 } : {}) };
  let failed = false;
  const copyOne = async (file: Copy): Promise<void> => {
    if (resuming && (await isThereAlready(ways.source(file), await ways.target(file), resume))) {
      bar.add(file.bytes);
      copied.skipped!++;
      return;
    }
    await ways.copy(
      file,
      counting((length) => bar.add(length)),
    );
    copied.files++;
    copied.bytes += file.bytes;
  };
  const worker = async (): Promise<void> => {
    for (const file of queue) {
      if (failed) return;
      await copyOne(file).catch((error) => {
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
  return copied;
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
