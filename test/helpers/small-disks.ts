import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/** A disk of a size that can be filled in a moment, and taken away; needs root on Linux. */
export function mountSmallDisk(directory: string, mib: number): void {
  mkdirSync(directory, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'tmpfs', directory], { stdio: 'pipe' });
}

/** As when its cable is pulled: those who have files of it open keep them, whoever comes finds the empty mount point. */
export function unmountDisk(directory: string): void {
  execFileSync('umount', ['--lazy', directory], { stdio: 'pipe' });
}

export function isMounted(directory: string): boolean {
  return readFileSync('/proc/mounts', 'utf8').includes(` ${directory} `);
}

/** As a kernel does it after an error. Works only while nobody has a file of it open for writing. */
export function makeReadOnly(directory: string): void {
  execFileSync('mount', ['-o', 'remount,ro', directory], { stdio: 'pipe' });
}

/** Why tests of real disks cannot run here, if so. */
export function whyNoMounts(): string | undefined {
  if (process.platform !== 'linux') return 'tmpfs is of Linux';
  if (userInfo().uid !== 0) return 'only root may mount';
  const directory = mkdtempSync(join(tmpdir(), 'feitian-test-mount-'));
  try {
    mountSmallDisk(directory, 1);
    unmountDisk(directory);
    return undefined;
  } catch (error) {
    return `mounting fails here: ${(error as Error).message}`;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
