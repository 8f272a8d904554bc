import * as fs from 'node:fs';
import { ChunkError } from '../chunk-contract.ts';

/**
 * The few calls that chunk files need, on plain descriptors: half the cost of node's FileHandle at these sizes.
 * What the disk refuses comes out as `NoSpace` or `DiskFailed`.
 */
export function diskError(error: unknown, doing: string): ChunkError {
  const { code, message } = error as NodeJS.ErrnoException;
  const noSpace = code === 'ENOSPC' || code === 'EDQUOT';
  return new ChunkError(noSpace ? 'NoSpace' : 'DiskFailed', `${doing}: ${message}`, { cause: error });
}

/** Writes all of `pieces`, one after the other, from `position` on. */
export function pwrite(fd: number, pieces: readonly Uint8Array[], position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const from = (rest: readonly Uint8Array[], at: number): void => {
      if (rest.length === 0) return resolve();
      fs.writev(fd, rest, at, (error, written) => {
        if (error) reject(diskError(error, 'write'));
        else from(without(rest, written), at + written);
      });
    };
    from(without(pieces, 0), position);
  });
}

/** What is left of the pieces after their first `bytes`; none is empty. */
function without(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  for (const piece of pieces) {
    const skipped = Math.min(bytes, piece.length);
    bytes -= skipped;
    if (skipped < piece.length) rest.push(piece.subarray(skipped));
  }
  return rest;
}

/** Reads until `into` is full or the file ends; resolves to the bytes read. */
export function pread(fd: number, into: Uint8Array, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const from = (start: number): void => {
      if (start === into.length) return resolve(start);
      fs.read(fd, into, start, into.length - start, position + start, (error, read) => {
        if (error) reject(diskError(error, 'read'));
        else if (read === 0) resolve(start);
        else from(start + read);
      });
    };
    from(0);
  });
}

export function openFile(path: string, flags: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.open(path, flags, 0o640, (error, fd) => {
      if (!error) resolve(fd);
      else if (error.code === 'ENOENT') reject(new ChunkError('NoChunk', `${path} is not here`, { cause: error }));
      else reject(diskError(error, `open ${path}`));
    });
  });
}

/** Makes a file that is not there yet; undefined when it is. */
export function createFile(path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    fs.open(path, fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL, 0o640, (error, fd) => {
      if (!error) resolve(fd);
      else if (error.code === 'EEXIST') resolve(undefined);
      else reject(diskError(error, `make ${path}`));
    });
  });
}

export function fileBytes(fd: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.fstat(fd, (error, { size } = {} as fs.Stats) => (error ? reject(diskError(error, 'stat')) : resolve(size)));
  });
}

export function fdatasync(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.fdatasync(fd, (error) => (error ? reject(diskError(error, 'sync')) : resolve()));
  });
}

export function ftruncate(fd: number, length: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.ftruncate(fd, length, (error) => (error ? reject(diskError(error, 'truncate')) : resolve()));
  });
}

export function fsync(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.fsync(fd, (error) => (error ? reject(diskError(error, 'sync of the directory')) : resolve()));
  });
}

/** Returns nothing to wait for: the descriptor is gone from our tables either way. */
export function closeFile(fd: number): void {
  fs.close(fd, () => {});
}

/** All of them, as an argument: what a disk does that returns errors cannot be had of a real one at every step. */
export interface DiskCalls {
  openFile(path: string, flags: number): Promise<number>;
  createFile(path: string): Promise<number | undefined>;
  pread(fd: number, into: Uint8Array, position: number): Promise<number>;
  pwrite(fd: number, pieces: readonly Uint8Array[], position: number): Promise<void>;
  fdatasync(fd: number): Promise<void>;
  fsync(fd: number): Promise<void>;
  ftruncate(fd: number, length: number): Promise<void>;
  fileBytes(fd: number): Promise<number>;
  closeFile(fd: number): void;
}

export const nodeDisk: DiskCalls = { openFile, createFile, pread, pwrite, fdatasync, fsync, ftruncate, fileBytes, closeFile };
