import { writeSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat, statfs } from 'node:fs/promises';

/**
 * What a server's files stand on: so much of a file system as the log needs. It is passed in because what a disk does when it is full, fails a
 * sync or loses its power cannot be had of a real one at every step, and of one in memory it can.
 *
 * What the log takes for granted of it, and no more:
 *
 * 1. Bytes of a file are durable once `sync` or `datasync` of it resolved after they were written. Before that a crash leaves any of them.
 * 2. Names are durable once their directory was synced. Before that a crash leaves any of what was made, renamed and removed.
 * 3. A rename is done or not done, never half.
 * 4. After a failed sync nobody knows what is durable, and the next one says nothing of what the failed one lost.
 */
export interface FileSystem {
  open(path: string, flags: OpenFlags, mode?: number): Promise<OpenFile>;
  readFile(path: string): Promise<Buffer>;
  bytesOf(path: string): Promise<number>;
  list(dir: string): Promise<string[]>;
  /** With its parents. @returns the first one that was made; undefined: it was there. */
  makeDir(dir: string): Promise<string | undefined>;
  rename(from: string, to: string): Promise<void>;
  /** No error where nothing is. */
  remove(path: string): Promise<void>;
  freeBytes(dir: string): Promise<number>;
}

/** `wx`: fails where the file is there. A directory is opened with `r`, to be synced. */
export type OpenFlags = 'r' | 'r+' | 'w' | 'wx' | 'wx+';

export interface OpenFile {
  read(into: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
  write(bytes: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesWritten: number }>;
  truncate(length: number): Promise<void>;
  sync(): Promise<void>;
  datasync(): Promise<void>;
  stat(): Promise<{ size: number }>;
  close(): Promise<void>;
}

/**
 * A frame of the log is some kilobytes into pages that were made ahead: the kernel takes them in microseconds, and waking another thread for it costs more. What is
 * larger goes to one.
 */
const AT_ONCE_BYTES_MAX = 64 * 1024;

async function openNode(path: string, flags: OpenFlags, mode?: number): Promise<OpenFile> {
  const file = await open(path, flags, mode);
  const { fd } = file;
  return {
    read: (into, offset, length, position) => file.read(into, offset, length, position),
    write: (bytes, offset, length, position) =>
      process.env.FT_SYNCW && length <= AT_ONCE_BYTES_MAX
        ? writeAtOnce(fd, bytes, offset, length, position)
        : file.write(bytes, offset, length, position),
    truncate: (length) => file.truncate(length),
    sync: () => file.sync(),
    datasync: () => file.datasync(),
    stat: () => file.stat(),
    close: () => file.close(),
  };
}

async function writeAtOnce(
  fd: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  position: number,
): Promise<{ bytesWritten: number }> {
  return { bytesWritten: writeSync(fd, bytes, offset, length, position) };
}

export const nodeFiles: FileSystem = {
  open: openNode,
  readFile: (path) => readFile(path),
  bytesOf: async (path) => (await stat(path)).size,
  list: (dir) => readdir(dir),
  makeDir: (dir) => mkdir(dir, { recursive: true }),
  rename,
  remove: (path) => rm(path, { force: true }),
  async freeBytes(dir) {
    const { bavail, bsize } = await statfs(dir);
    return bavail * bsize;
  },
};
