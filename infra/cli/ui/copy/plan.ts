import { PanguError } from '../../../../services/pangu/contract.ts';

/**
 * What a copy is to do, made before a byte moves, so that mistakes show first and the end can be told. The rules are those of `cp -r`: a directory is copied into
 * one that is there, or becomes one that is not; of several sources each goes into the destination.
 */
export interface Plan {
  files: FileCopy[];
  directories: string[];
  /** What cannot be copied, known already. */
  failed: Failed[];
}

export interface FileCopy {
  from: string;
  to: string;
  /** As long as the source was then. */
  bytes: number;
}

export interface Failed {
  path: string;
  why: string;
}

export function emptyPlan(): Plan {
  return { files: [], directories: [], failed: [] };
}

/** Two sources of one name would silently become one file. */
export function checkPlan({ files }: Plan): void {
  const from = new Map<string, string>();
  for (const file of files) {
    const other = from.get(file.to);
    if (other !== undefined) throw new PanguError('EEXIST', `${other} and ${file.from} would both become ${file.to}`);
    from.set(file.to, file.from);
  }
}

/** One file's trouble. The others are copied all the same, and it is told at the end. Anything else (no space, nobody answers) ends the copy. */
export class FileTrouble extends Error {}

const OF_ONE_FILE: ReadonlySet<unknown> = new Set([
  'EACCES',
  'EPERM',
  'ENOENT',
  'EEXIST',
  'EISDIR',
  'ENOTDIR',
  'ELOOP',
  'EINVAL',
  'ENAMETOOLONG',
  'EBUSY',
  'ETXTBSY',
  'EIO',
  'PermissionDenied',
]);

export function isOfOneFile(error: unknown): error is Error {
  return error instanceof FileTrouble || (error instanceof Error && OF_ONE_FILE.has((error as NodeJS.ErrnoException).code));
}
