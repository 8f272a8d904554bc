import { dirname, join, resolve } from 'node:path';
import { type FileSystem, nodeFiles, type OpenFile } from './file-system.ts';

/**
 * Files of a server's directory:
 *
 *   log-<number>                 a segment of the log; segments follow one another by number
 *   snapshot-<index>-<number>    the state after that index of the log, which goes on in the segment of that number and those after it
 *   reached-<number>             empty: the log has had the segment of that number, so one that ends before it has lost its end
 *   birth                        which making of this server's files they are, and whether it may vote: core/founding.ts
 *   *.tmp                        half-written; removed at start
 *   restoring                    what else is here is half of what a restore makes: no server starts from it
 *
 * A snapshot names the segment after it, so that one rename puts it in place and takes the segments before it out of use: a crash comes
 * before or after that, never between.
 */
const NUMBER_DIGITS = 10;
const INDEX_DIGITS = 16;
export const RESTORING = 'restoring';
export const BIRTH = 'birth';

export function reachedFile(segment: number): string {
  return `reached-${String(segment).padStart(NUMBER_DIGITS, '0')}`;
}

export interface SnapshotName {
  index: number;
  /** The segment in which the log goes on. */
  segment: number;
}

export function segmentFile(segment: number): string {
  return `log-${String(segment).padStart(NUMBER_DIGITS, '0')}`;
}

export function snapshotFile({ index, segment }: SnapshotName): string {
  return `snapshot-${String(index).padStart(INDEX_DIGITS, '0')}-${String(segment).padStart(NUMBER_DIGITS, '0')}`;
}

export interface Listing {
  /** Numbers, ascending. */
  segments: number[];
  /** By index, ascending. */
  snapshots: SnapshotName[];
  /** The newest segment that there ever was; 0: none, an older version wrote the log, or the file is lost (birth.ts tells which). */
  reached: number;
  /** Half-written. */
  temporary: string[];
  /** A restore did not come to its end. */
  restoring: boolean;
}

export async function listFiles(dir: string, files: FileSystem = nodeFiles): Promise<Listing> {
  const listing: Listing = { segments: [], snapshots: [], reached: 0, temporary: [], restoring: false };
  for (const name of (await files.list(dir)).sort()) {
    const snapshot = /^snapshot-(\d{16})-(\d{10})$/.exec(name);
    if (name === RESTORING) listing.restoring = true;
    else if (name.endsWith('.tmp')) listing.temporary.push(name);
    else if (snapshot) listing.snapshots.push({ index: Number(snapshot[1]), segment: Number(snapshot[2]) });
    else if (/^log-\d{10}$/.test(name)) listing.segments.push(Number(name.slice(4)));
    else if (/^reached-\d{10}$/.test(name)) listing.reached = Math.max(listing.reached, Number(name.slice(8)));
  }
  return listing;
}

/**
 * Which segment of a log is missing, if one is, and how that is known: it goes on from the one that the snapshot names to the newest that there ever was.
 * Only a server that never wrote has none at all.
 */
export function missingSegment(
  snapshot: SnapshotName,
  segments: readonly number[],
  reached: number,
): { segment: number; why: string } | undefined {
  const gap = segments.findIndex((segment, i) => segment !== snapshot.segment + i);
  const end = snapshot.segment + segments.length;
  if (gap > 0) return { segment: snapshot.segment + gap, why: 'another segment follows it' };
  if (gap === 0 || (segments.length === 0 && (snapshot.index > 0 || reached >= end)))
    return { segment: snapshot.segment, why: 'the log begins with it' };
  return reached >= end ? { segment: end, why: 'the log has had it' } : undefined;
}

/** Writes a file of so many bytes that come in pieces, and syncs it. Errors: it ends too early, and those of `read`. */
export async function writePieces(
  path: string,
  bytes: number,
  read: (offset: number, bytes: number) => Promise<Uint8Array>,
  files: FileSystem = nodeFiles,
): Promise<void> {
  const file = await files.open(path, 'w', 0o600);
  try {
    for (let offset = 0; offset < bytes; ) {
      const piece = await read(offset, Math.min(PIECE_BYTES, bytes - offset));
      if (piece.length === 0) throw new Error(`the snapshot ends at byte ${offset} of ${bytes}`);
      offset = await writeAll(file, piece, offset);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/** As much as one call may carry is 4 MiB; less keeps a leader's other calls from waiting behind it. */
const PIECE_BYTES = 1024 * 1024;

/** Makes a file appear whole or not at all, and stay: written aside, synced, renamed, its directory synced. */
export async function writeAside(dir: string, name: string, write: (file: OpenFile) => Promise<unknown>, files: FileSystem): Promise<void> {
  const temporary = join(dir, `${name}.tmp`);
  try {
    const file = await files.open(temporary, 'wx');
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await files.rename(temporary, join(dir, name));
  } catch (error) {
    await files.remove(temporary).catch(() => {});
    throw error;
  }
  await syncDir(dir, files);
}

/** Makes a directory with its parents, to stay. */
export async function makeDir(dir: string, files: FileSystem): Promise<void> {
  const first = await files.makeDir(dir);
  if (first === undefined) return; // it was there
  for (let made = resolve(dir); made !== dirname(first); made = dirname(made)) await syncDir(dirname(made), files);
}

/** Names are durable only when their directory is. */
export async function syncDir(dir: string, files: FileSystem = nodeFiles): Promise<void> {
  const handle = await files.open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** `write` of a handle may write less than it was given. @returns where the next byte goes. */
export async function writeAll(file: OpenFile, bytes: Uint8Array, position: number): Promise<number> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    if (bytesWritten === 0) throw new Error('the file takes no more bytes');
    done += bytesWritten;
  }
  return position + bytes.length;
}

/** Throws when the disk has less than `bytes` free. */
export async function assertRoom(dir: string, bytes: number, files: FileSystem): Promise<void> {
  const free = await files.freeBytes(dir);
  if (free < bytes) throw new Error(`${dir} has ${free} bytes free, ${bytes} are wanted`);
}
