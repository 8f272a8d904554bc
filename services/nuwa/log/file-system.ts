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

export const nodeFiles: FileSystem = {
  open,
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
