import { type FileHandle, mkdir, open, readdir, rename, rm, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

/**
 * Files of a server's directory:
 *
 *   log-<index>        a segment: the commands from that index on
 *   snapshot-<index>   the state after that index; all segments that begin at or below it can go
 *   *.tmp              half-written; removed at start
 */
const INDEX_DIGITS = 16;

export function segmentName(firstIndex: number): string {
  return `log-${String(firstIndex).padStart(INDEX_DIGITS, '0')}`;
}

export function snapshotName(index: number): string {
  return `snapshot-${String(index).padStart(INDEX_DIGITS, '0')}`;
}

export interface Listing {
  /** First indexes of segments, ascending. */
  segments: number[];
  /** Indexes of snapshots, ascending. */
  snapshots: number[];
}

/** What is there, half-written files removed. */
export async function listFiles(dir: string): Promise<Listing> {
  const listing: Listing = { segments: [], snapshots: [] };
  for (const name of (await readdir(dir)).sort()) {
    const [, kind, digits] = /^(log|snapshot)-(\d{16})$/.exec(name) ?? [];
    if (name.endsWith('.tmp')) await rm(join(dir, name), { force: true });
    else if (kind === 'log') listing.segments.push(Number(digits));
    else if (kind === 'snapshot') listing.snapshots.push(Number(digits));
  }
  return listing;
}

/** Makes a file appear whole or not at all, and stay: written aside, synced, renamed, its directory synced. */
export async function writeAside(dir: string, name: string, write: (file: FileHandle) => Promise<unknown>): Promise<void> {
  const temporary = join(dir, `${name}.tmp`);
  try {
    const file = await open(temporary, 'wx');
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, join(dir, name));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
  await syncDir(dir);
}

/** Makes a directory with its parents, to stay. */
export async function makeDir(dir: string): Promise<void> {
  const first = await mkdir(dir, { recursive: true });
  if (first === undefined) return; // it was there
  for (let made = resolve(dir); made !== dirname(first); made = dirname(made)) await syncDir(dirname(made));
}

/** Names are durable only when their directory is. */
export async function syncDir(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** `write` of a handle may write less than it was given. */
export async function writeAll(file: FileHandle, buffers: Uint8Array[], position: number): Promise<number> {
  let at = position;
  for (let rest = buffers; rest.length > 0; ) {
    const { bytesWritten } = await file.writev(rest, at);
    if (bytesWritten === 0) throw new Error('the file takes no more bytes');
    at += bytesWritten;
    rest = afterBytes(rest, bytesWritten);
  }
  return at;
}

function afterBytes(buffers: Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes;
  for (let i = 0; i < buffers.length; i++) {
    const buffer = buffers[i]!;
    if (skip < buffer.length) return [buffer.subarray(skip), ...buffers.slice(i + 1)];
    skip -= buffer.length;
  }
  return [];
}

/** Throws when the disk has less than `bytes` free. */
export async function assertRoom(dir: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dir);
  if (bavail * bsize < bytes) throw new Error(`${dir} has ${bavail * bsize} bytes free, ${bytes} are wanted`);
}
