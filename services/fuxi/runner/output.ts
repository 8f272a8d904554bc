/** Where an attempt's records go. One kind of output per file; what they share is here. */

import type { PanguClient, PanguFile, WriteOptions } from '../../pangu/contract.ts';
import { attemptPath, FuxiError, type TaskOutput } from '../contract.ts';
import { storageFailure } from './failures.ts';

export interface AttemptOutput {
  /** Takes a record; the ranges are copied. Never waits for the network. */
  record(key: Uint8Array, keyStart: number, keyEnd: number, value: Uint8Array, valueStart: number, valueEnd: number): void;
  /** The same with a number for a value. */
  number(key: Uint8Array, keyStart: number, keyEnd: number, value: number): void;
  /** Much is waiting: `drain` before the next record. */
  readonly full: boolean;
  drain(): Promise<void>;
  /** All records are in; the output is whole and on disk when this resolves. */
  close(): Promise<OutputCounts>;
  /** Leaves nothing behind, as far as it can. */
  abort(): Promise<void>;
}

export interface OutputCounts {
  bytesOut: number;
  recordsOut: number;
}

/** The attempt's own file. Parent directories are not made: when a job is given up its directory goes, and must not come back. */
export async function openAttemptFile(
  pangu: PanguClient,
  { directory }: Exclude<TaskOutput, { kind: 'none' }>,
  instance: number,
  attempt: number,
  options: WriteOptions,
): Promise<PanguFile> {
  const path = attemptPath(directory, instance, attempt);
  try {
    return await pangu.open(path, 'w', { ...options, parents: false });
  } catch (error) {
    throw storageFailure(error, `make ${path}`);
  }
}

/** Runs one step of writing and names the file if it fails. */
export async function writing<T>(file: PanguFile, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    throw error instanceof FuxiError ? error : storageFailure(error, `write ${file.path}`);
  }
}
