import type { Readable, Writable } from 'node:stream';
import { FeitianError } from '../base/errors.ts';

/**
 * Pangu's public words. Paths are `pangu://<cluster>/a/b`, or `/a/b` for the client's own cluster; a trailing `/` is allowed for a directory.
 * Sizes and offsets are bytes. Names are 1 to 255 bytes of UTF-8 without `/` and NUL, neither `.` nor `..`.
 */
export const PANGU_CODES = [
  'ENOENT', // no such file or directory
  'EEXIST', // it is there already
  'ENOTDIR', // a path goes through a file
  'EISDIR', // a file was wanted
  'ENOTEMPTY',
  'EINVAL', // a path, offset or option that makes no sense
  'ENAMETOOLONG',
  'EBADF', // the handle is closed, or opened for the other direction
  'ENOSPC', // no chunk server has room
  'EDQUOT', // a directory above would hold more than its quota; details.path, .limit ('files' or 'bytes'), .max, .wanted
  'ENODATA', // no such extended attribute
  'E2BIG', // an extended attribute, or all of an inode's together, are too large
  'EIO', // no replica of a chunk could be read or written; details.chunk, details.file
] as const;
export type PanguCode = (typeof PANGU_CODES)[number];

export class PanguError extends FeitianError<PanguCode> {
  static readonly codes = PANGU_CODES;
}

export const CHUNK_BYTES_DEFAULT = 64 * 1024 * 1024;
/** One CRC32C stands for this many bytes of a chunk. */
export const BLOCK_BYTES = 64 * 1024;
export const REPLICAS_DEFAULT = 3;

export interface FileStat {
  path: string;
  type: 'file' | 'directory';
  /** Bytes in sealed chunks; 0 for a directory. */
  size: number;
  createdAtMs: number;
  modifiedAtMs: number;
  /** `open` while its writer has not closed it. Directories are `closed`. */
  state: 'open' | 'closed';
  chunkBytes: number;
  replicas: number;
}

export interface ChunkLocation {
  /** Where the chunk begins in its file. */
  offset: number;
  length: number;
  chunk: string;
  /** Nodes that hold a replica. */
  nodes: string[];
}

export interface WriteOptions {
  /** A multiple of `BLOCK_BYTES`. @default CHUNK_BYTES_DEFAULT */
  chunkBytes?: number;
  /** @default REPLICAS_DEFAULT, or as many as there are chunk servers if fewer. */
  replicas?: number;
  /** Put the first replica here when it has room. */
  preferNode?: string;
  /** `false`: bytes may be lost with the machine's power; for scratch data that can be made again. @default true */
  sync?: boolean;
  /** Make missing parent directories. @default false */
  parents?: boolean;
}

export interface ReadOptions {
  /** How long a read waits for servers that are away, as a restart takes a few seconds, before it fails with EIO. @default 8_000 */
  patienceMs?: number;
}

/** An open file. Appends are sent on in the background within a bounded window; `sync` and `close` wait for all of them. */
export interface PanguFile {
  readonly path: string;
  /** Up to `length` bytes from `position`, fewer at the end of the file, none beyond it. Checksums are verified. */
  read(position: number, length: number): Promise<Buffer>;
  /** Appends. Resolves when the bytes are accepted into the window (the buffer is then no longer used). */
  write(bytes: Uint8Array): Promise<void>;
  /** Everything appended so far is on the disks of all live replicas and visible to readers. */
  sync(): Promise<void>;
  /** Syncs a written file and closes it. Safe to call twice. */
  close(): Promise<FileStat>;
  /** Gives up a file being written and removes it. */
  abort(): Promise<void>;
}

/** One directory to appear at once with exactly these files. */
export interface Publication {
  directory: string;
  files: { from: string; name: string }[];
  /** Replace what is there. @default false */
  overwrite?: boolean;
}

export interface PanguClient {
  readonly cluster: string;
  /** `r`: read; `w`: write, replacing a file that is there when the new one is closed; `wx`: write a new file, EEXIST if it is there. */
  open(path: string, mode: 'r' | 'w' | 'wx', options?: WriteOptions & ReadOptions): Promise<PanguFile>;
  /** Bytes `start` to `end`, both inclusive as in node:fs. @default the whole file */
  createReadStream(path: string, range?: { start?: number; end?: number }): Readable;
  createWriteStream(path: string, options?: WriteOptions & { mode?: 'w' | 'wx' }): Writable;
  readFile(path: string): Promise<Buffer>;
  writeFile(path: string, bytes: Uint8Array | string, options?: WriteOptions & { mode?: 'w' | 'wx' }): Promise<FileStat>;
  stat(path: string): Promise<FileStat>;
  /** Entries by name (bytewise), paged underneath. */
  readdir(path: string): AsyncIterable<FileStat>;
  mkdir(path: string, options?: { recursive?: boolean }): Promise<void>;
  /** Atomic; replaces a file that stands at `to`, or an empty directory when a directory is moved. */
  rename(from: string, to: string): Promise<void>;
  /** Removes one file. */
  unlink(path: string): Promise<void>;
  /** Removes a file or an empty directory; with `recursive` everything below; with `force` it is fine if nothing is there. */
  rm(path: string, options?: { recursive?: boolean; force?: boolean }): Promise<void>;
  /** Files (not directories) that match; `*`, `?`, `[…]`, `{a,b}` within a segment, `**` across; by path. A pattern without wildcards is one path. */
  glob(pattern: string): Promise<FileStat[]>;
  locate(path: string): Promise<ChunkLocation[]>;
  /**
   * All publications appear in one transaction, or none. Called again with the same `publishId` after it succeeded, it succeeds
   * and changes nothing. Errors: EEXIST (a directory is there and not `overwrite`), ENOENT (a source is missing).
   */
  publish(publishId: string, publications: Publication[]): Promise<void>;
  close(): Promise<void>;
}
