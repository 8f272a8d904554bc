/** How a runner's process group ends: as a whole, and no later than Tubo. */
import { spawn } from 'node:child_process';

/** Where Tubo opens the pipe of which it holds the other end. */
export const GUARD_FD = 4;

/** Starts a shell in this group that waits for the pipe to close, which happens when Tubo dies, and then kills the group, itself included. */
export function guardGroup(): void {
  const shell = spawn('/bin/sh', ['-c', 'read -r _; kill -9 0'], { stdio: [GUARD_FD, 'ignore', 'ignore'], env: {} });
  shell.on('error', killOwnGroup);
  shell.unref();
}

/** This process leads its group, so its own id names it. */
export function killOwnGroup(): void {
  process.kill(-process.pid, 'SIGKILL');
}
