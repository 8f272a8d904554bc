import { Buffer, isUtf8 } from 'node:buffer';
import { constants } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { PanguClient, WriteOptions } from '../../../../services/pangu/contract.ts';
import { crc } from '../../../../services/pangu/crc.ts';
import { UsageError } from '../action.ts';
import { createBytesBar } from '../bars.ts';
import { childPath, closedFile, panguStat } from '../pangu-paths.ts';
import { type Copied, type CopyOptions, copyAll, prepare } from './copy-all.ts';
import type { DoneEntry } from './journal.ts';
import { emptyPlan, type FileCopy, FileTrouble, isOfOneFile, type Plan } from './plan.ts';
import { bytesPrint, localPrint, PIECE_BYTES, panguPrint, statPrint } from './prints.ts';
import { counting, STANDARD } from './standard.ts';

/** From this machine into Pangu. Each file appears when it is whole, and replaces what stood there. */
export async function put(
  pangu: PanguClient,
  sources: readonly string[],
  destination: string,
  options: WriteOptions,
  how: CopyOptions,
): Promise<Copied> {
  if (sources.includes(STANDARD)) {
    if (sources.length > 1) throw new UsageError('- (standard input) must be the only source');
    return putStream(pangu, process.stdin, destination, options, how.signal);
  }
  const into =
    how.journal.into ?? (sources.length > 1 || destination.endsWith('/') || (await panguStat(pangu, destination))?.type === 'directory');
  const plan = emptyPlan();
  for (const source of sources) {
    const to = into ? childPath(destination, basename(resolve(source))) : destination;
    await stat(source).catch((error: NodeJS.ErrnoException) => {
      const why = error.code === 'ENOENT' ? `ENOENT: ${source} is not there, on this machine` : error.message;
      throw new Error(why, { cause: error });
    });
    await planPut(source, to, plan, []);
  }
  await prepare(plan, into, how.journal, (directory) => pangu.mkdir(directory, { recursive: true }));
  return copyAll('put', plan, putWays(pangu, options, how.signal), how);
}

/** @param above the directories on the way, so that links that lead back end */
async function planPut(from: string, to: string, plan: Plan, above: readonly string[]): Promise<void> {
  try {
    const found = await stat(from);
    if (found.isFile()) plan.files.push({ from, to, bytes: found.size });
    else if (found.isDirectory()) {
      const identity = `${found.dev}:${found.ino}`;
      if (above.includes(identity)) throw new FileTrouble('ELOOP: a link to a directory that it is in');
      const names = await namesIn(from, plan);
      plan.directories.push(to);
      for (const name of names) await planPut(join(from, name), childPath(to, name), plan, [...above, identity]);
    } else throw new FileTrouble('neither a file nor a directory');
  } catch (error) {
    if (!isOfOneFile(error)) throw error;
    plan.failed.push({ path: from, why: error.message });
  }
}

/** Names here are bytes, in Pangu they are Unicode: one that is not would come back as another. */
async function namesIn(directory: string, plan: Plan): Promise<string[]> {
  const names: string[] = [];
  for (const bytes of await readdir(directory, { encoding: 'buffer' })) {
    const name = bytes.toString('utf8');
    if (isUtf8(bytes)) names.push(name);
    else plan.failed.push({ path: join(directory, name), why: 'EINVAL: its name is not UTF-8' });
  }
  return names.sort();
}

function putWays(pangu: PanguClient, options: WriteOptions, signal: AbortSignal): Parameters<typeof copyAll>[2] {
  return {
    sourcePrint: ({ from }) => localPrint(from),
    targetPrint: async ({ to }) => {
      const found = await closedFile(pangu, to);
      return found && statPrint(found);
    },
    isSame: async ({ from, to, bytes }) => {
      const found = await closedFile(pangu, to);
      return found?.size === bytes && (await localPrint(from)) === (await panguPrint(pangu, to));
    },
    copy: (file, onBytes) => putFile(pangu, file, options, onBytes, signal),
  };
}

async function putFile(
  pangu: PanguClient,
  { from, to }: FileCopy,
  options: WriteOptions,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
): Promise<DoneEntry & { bytes: number }> {
  // Somebody may have put a pipe there since; opening one would wait for its other end.
  const local = await open(from, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const before = await local.stat();
    if (!before.isFile()) throw new FileTrouble('it is no file any more');
    const file = await pangu.open(to, 'w', { ...options, parents: true });
    try {
      const buffer = Buffer.allocUnsafe(Math.min(PIECE_BYTES, before.size + 1));
      let bytes = 0;
      let sum = 0;
      for (;;) {
        signal.throwIfAborted();
        const { bytesRead } = await local.read(buffer, 0, buffer.length, bytes);
        if (bytesRead === 0) break;
        const piece = buffer.subarray(0, bytesRead);
        sum = crc(piece, sum);
        await file.write(piece);
        bytes += bytesRead;
        onBytes(bytesRead);
      }
      const after = await local.stat();
      if (bytes !== before.size || after.size !== before.size || after.mtimeMs !== before.mtimeMs)
        throw new FileTrouble('it changed while it was read');
      return { bytes, source: bytesPrint(bytes, sum), target: statPrint(await file.close()) };
    } catch (error) {
      await file.abort().catch(() => {}); // the first error says more
      throw error;
    }
  } finally {
    await local.close();
  }
}

async function putStream(
  pangu: PanguClient,
  source: NodeJS.ReadableStream,
  destination: string,
  options: WriteOptions,
  signal: AbortSignal,
): Promise<Copied> {
  const bar = createBytesBar('put', undefined);
  let bytes = 0;
  const count = counting((length) => {
    bytes += length;
    bar.add(length);
  });
  try {
    await pipeline(source, count, pangu.createWriteStream(destination, { ...options, parents: true }), { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
    return { files: 0, directories: 0, bytes: 0, skipped: 0, failed: [] };
  } finally {
    bar.stop();
  }
  return { files: 1, directories: 0, bytes, skipped: 0, failed: [] };
}
