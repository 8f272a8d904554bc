/**
 * What an error of a disk means for the disk. One that cannot write or sync any more is out at once: what it still says of itself is worth nothing. A
 * read that fails is most often one bad sector: the chunk is lost, the disk is looked at, and a few of them in short time end it. Errors of the
 * process itself, such as too many open files, are no disk's fault.
 *
 *   `none`   the process's own affair, or a plain answer
 *   `full`   no room: it takes nothing new until there is some
 *   `read`   these bytes cannot be read
 *   `look`   may be the disk: it is to be asked whether it still is what it was
 *   `fail`   the disk is out
 */
export type DiskFault = 'none' | 'full' | 'read' | 'look' | 'fail';

const FULL = ['ENOSPC', 'EDQUOT'];
/** Remounted read-only after an error; the device or the mount is gone. */
const GONE = ['EROFS', 'ENODEV', 'ENXIO', 'ESTALE', 'ENOTCONN', 'ESHUTDOWN', 'EREMOTEIO', 'ENOMEDIUM'];
const DAMAGED = ['EIO', 'EUCLEAN', 'EBADMSG', 'EFAULT'];
/** The directory is not what it was, as when a mount vanished from under it. */
const STRANGE = ['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'ELOOP'];
const READING = ['read', 'readv', 'open', 'stat', 'access', 'scandir', 'opendir'];

export function faultOf({ code = '', syscall = '' }: { code?: string; syscall?: string }): DiskFault {
  if (FULL.includes(code)) return 'full';
  if (GONE.includes(code)) return 'fail';
  if (DAMAGED.includes(code)) return READING.includes(syscall) ? 'read' : 'fail';
  return STRANGE.includes(code) ? 'look' : 'none';
}

/** So many reads that failed, within this time, end a disk. */
const READ_FAULTS_MAX = 3;
const READ_FAULTS_MS = 10 * 60_000;

/** Counts reads that failed. Invariant: all in it are younger than `READ_FAULTS_MS` at the time of the last one. */
export class ReadFaults {
  #atMs: number[] = [];

  /** @returns whether the disk is out with this one */
  add(nowMs: number): boolean {
    this.#atMs = [...this.#atMs.filter((atMs) => nowMs - atMs < READ_FAULTS_MS), nowMs];
    return this.#atMs.length >= READ_FAULTS_MAX;
  }
}
