import type { Readable, Writable } from 'node:stream';
import { FeitianError } from '../base/errors.ts';
import type { DiskSpace } from './core/disk-space.ts';
import type { FileKind } from './core/states.ts';

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
  'EBADF', // the handle is closed, or opened for the other direction, or of a file of another kind
  'EBUSY', // another writer has it open; details.holder
  'ESTALE', // this writer lost the file: it was away for too long, and what it had written was closed, or another writes now
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

/**
 * What a file is for, said when it is made.
 * `append`: bytes are added at its end by one writer at a time, large pieces in a pipeline; what is sealed never changes.
 * `log`: whole records are added at its end by any number of writers at once; small, synced, of low latency.
 * `random`: one writer at a time writes anywhere and cuts; readers see what was written.
 */
export { FILE_KINDS, type FileKind } from './core/states.ts';

export interface FileStat {
  path: string;
  type: 'file' | 'directory';
  /** Bytes in sealed chunks; 0 for a directory. */
  size: number;
  createdAtMs: number;
  modifiedAtMs: number;
  kind: FileKind;
  /** `open` while its writer has not closed it. Directories are `closed`. */
  state: 'open' | 'closed';
  chunkBytes: number;
  /** How many each chunk is to have. */
  replicas: number;
  /** The name of the identity that made it, or what `chown` said; empty where nobody was named. */
  owner: string;
}

/** What a directory may hold, all depths together, and what it does. Bytes are what the files are long: replicas do not count. */
export interface Quota {
  path: string;
  /** Null: no limit. */
  filesMax: number | null;
  bytesMax: number | null;
  files: number;
  bytes: number;
}

export interface Usage {
  files: number;
  /** With the one that was asked for. */
  directories: number;
  logicalBytes: number;
  /** With all replicas. */
  storedBytes: number;
}

export type { DiskSpace };

/** A chunk server. */
export interface NodeSpace {
  node: string;
  rack: string;
  up: boolean;
  draining: boolean;
  freeBytes: number;
  /** Of the disks that take chunks. */
  totalBytes: number;
  /** The machine it runs on; the node itself where nobody said. */
  machine: string;
  disks: DiskSpace[];
  /** Of replicas. */
  bytes: number;
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
  /** A multiple of `BLOCK_BYTES`. @default what the nearest directory above says (`setChunkBytes`), else CHUNK_BYTES_DEFAULT */
  chunkBytes?: number;
  /** @default REPLICAS_DEFAULT, or as many as there are chunk servers if fewer. */
  replicas?: number;
  /** Put the first replica here when it has room. */
  preferNode?: string;
  /** Of a new file. @default 'append' */
  kind?: FileKind;
  /** How many replicas must have taken bytes before a writer is told so; with fewer servers left it fails with EIO. @default 1 */
  minReplicas?: number;
  /** `false`: bytes may be lost with the machine's power; for scratch data that can be made again. @default true */
  sync?: boolean;
  /** Make missing parent directories. @default false */
  parents?: boolean;
}

export interface ReadOptions {
  /** How long a read waits for servers that are away, as a restart takes a few seconds, before it fails with EIO. @default 8_000 */
  patienceMs?: number;
}

export interface GlobOptions {
  /** Directories too that the last name of the pattern matches; `**` there means files all the same. @default false */
  directories?: boolean;
}

export interface StreamOptions {
  start?: number;
  end?: number;
  /** Goes on with what is added to the file, however often it is opened for that, as `tail -f` does. @default false */
  follow?: boolean;
  /** Ends a stream that follows, without an error. */
  signal?: AbortSignal;
}

/** An open file. Appends are sent on in the background within a bounded window; `sync` and `close` wait for all of them. */
export interface PanguFile {
  readonly path: string;
  /**
   * Up to `length` bytes from `position`, fewer at the end of the file, none beyond it. Checksums are verified. Of a file that is being written the end is looked
   * for anew when more is asked for than there was.
   */
  read(position: number, length: number): Promise<Buffer>;
  /** Appends. Resolves when the bytes are accepted into the window (the buffer is then no longer used). */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Writes anywhere in a `random` file, also beyond its end: what lies between reads as zeros. Resolves when all replicas have it, on disk unless opened with
   * `sync: false`. Those that overlap are done in the order in which they were asked for. `bytes` must stay as they are until then. Errors: EBADF for other kinds.
   */
  pwrite(position: number, bytes: Uint8Array): Promise<void>;
  /** A `random` file is `length` bytes long from now on; what is added is zeros. Errors: EBADF for other kinds. */
  truncate(length: number): Promise<void>;
  /** What was written so far is at all live replicas, though maybe only in their memory, and seen by readers that open or look again from now on. */
  flush(): Promise<void>;
  /** Everything appended so far is on the disks of all live replicas and visible to readers. */
  sync(): Promise<void>;
  /** Syncs a written file and closes it. Safe to call twice. */
  close(): Promise<FileStat>;
  /** Gives up a file being written and removes it; one that was opened with `a` is closed at what of the new bytes was synced. */
  abort(): Promise<void>;
}

/** One of any number of writers of a file of kind `log`. */
export interface PanguLog {
  readonly path: string;
  /**
   * Adds a whole record, of at most 1 MiB. When it resolves the record is on the disks of all live replicas, once, at `offset` in the file, and readers see it. Records that one
   * writer adds are in the order of its calls. Errors: ENOENT (the log was removed); EDQUOT, ENOSPC (no further chunk) and
   * EIO (servers were away for a minute): the record is in or not.
   */
  append(record: Uint8Array | string): Promise<{ offset: number }>;
  /** Waits for what was added. The log stays as it is, for others. */
  close(): Promise<void>;
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
  /**
   * `r`: read; `w`: write, replacing a file that is there when the new one is closed; `wx`: write a new file, EEXIST if it is there; `a`: write at the end of
   * a file, made if it is not there: EBUSY while another writer has it open, EBADF for another kind than `append`; `r+`: read and write anywhere in a `random` file
   * that is there: EBUSY as for `a`, EBADF for other kinds.
   */
  open(path: string, mode: 'r' | 'w' | 'wx' | 'a' | 'r+', options?: WriteOptions & ReadOptions): Promise<PanguFile>;
  /** To add records to a log, made if it is not there. Errors: EBADF (a file of another kind), EISDIR. */
  openLog(path: string, options?: WriteOptions): Promise<PanguLog>;
  /**
   * Bytes `start` to `end`, both inclusive as in node:fs. Whoever is done with a piece may give its memory back (`recycleBytes` of client.ts), which makes long
   * streams half as dear. @default the whole file
   */
  createReadStream(path: string, range?: StreamOptions): Readable;
  createWriteStream(path: string, options?: WriteOptions & { mode?: 'w' | 'wx' | 'a' }): Writable;
  readFile(path: string): Promise<Buffer>;
  writeFile(path: string, bytes: Uint8Array | string, options?: WriteOptions & { mode?: 'w' | 'wx' }): Promise<FileStat>;
  stat(path: string): Promise<FileStat>;
  /** Entries by name (bytewise), paged underneath. */
  readdir(path: string): AsyncIterable<FileStat>;
  mkdir(path: string, options?: { recursive?: boolean }): Promise<void>;
  /** Atomic; replaces a file that stands at `to`, or an empty directory when a directory is moved. */
  rename(from: string, to: string): Promise<void>;
  /**
   * Removes one file. It goes to `/.trash/<user>/<time>/<path>`, from where a rename brings it back until the trash is emptied; `skipTrash` removes it for
   * good, and so does removing what lies there.
   */
  unlink(path: string, options?: { skipTrash?: boolean }): Promise<void>;
  /** Removes a file or an empty directory; with `recursive` everything below; with `force` it is fine if nothing is there. To the trash, as `unlink` does. */
  rm(path: string, options?: { recursive?: boolean; force?: boolean; skipTrash?: boolean }): Promise<void>;
  /** Errors: ENOENT. */
  chown(path: string, owner: string): Promise<void>;
  utimes(path: string, times: { modifiedAtMs: number }): Promise<void>;
  /** How long chunks are of files made at any depth below a directory from now on, unless a nearer one or the writer says otherwise; null: nothing said. Errors: ENOTDIR. */
  setChunkBytes(directory: string, chunkBytes: number | null): Promise<void>;
  /** How many replicas the chunks of a file are to have; they are made, or removed, in the background. Errors: EISDIR. */
  setReplicas(path: string, replicas: number): Promise<void>;
  /** Extended attributes, by name. */
  attributes(path: string): Promise<Map<string, Uint8Array>>;
  /** A name of up to 255 bytes, a value of up to 4 KiB, 64 KiB in all. Errors: ENAMETOOLONG, E2BIG. */
  setAttribute(path: string, name: string, value: Uint8Array | string): Promise<void>;
  /** Errors: ENODATA. */
  removeAttribute(path: string, name: string): Promise<void>;
  /** Limits what a directory may hold from now on: what would make it more fails with EDQUOT. `null`: no limit any more. */
  setQuota(directory: string, quota: { files?: number; bytes?: number } | null): Promise<void>;
  /** Those that hold for a path, its own first. */
  quotas(path: string): Promise<Quota[]>;
  /** Counts anew what directories with a quota hold; says where the count that is kept is wrong. */
  checkQuotas(options?: { repair?: boolean }): Promise<{ checked: number; drifted: { path: string }[] }>;
  /** What lies at and below a path: all of it is gone through. */
  usage(path: string): Promise<Usage>;
  /** What chunk servers hold, and how much more they can. */
  space(): Promise<NodeSpace[]>;
  /** Removes for good what has lain in the trash for so long: of one user (the owner's name), or of all. @returns how many ten minutes' worth went. */
  emptyTrash(options?: { user?: string; olderThanMs?: number }): Promise<number>;
  /** How long what is removed can be had back; 0: not at all. */
  trashRetentionMs(): Promise<number>;
  setTrashRetentionMs(retentionMs: number): Promise<void>;
  /** Files that match, and directories if asked for; `*`, `?`, `[…]`, `{a,b}` within a segment, `**` across; by path. A pattern without wildcards is one path. */
  glob(pattern: string, options?: GlobOptions): Promise<FileStat[]>;
  locate(path: string): Promise<ChunkLocation[]>;
  /**
   * All publications appear in one transaction, or none. Called again with the same `publishId` after it succeeded, it succeeds
   * and changes nothing. Errors: EEXIST (a directory is there and not `overwrite`), ENOENT (a source is missing).
   */
  publish(publishId: string, publications: Publication[]): Promise<void>;
  close(): Promise<void>;
}
