/**
 * Ends a process group when this process dies, in whatever way: SIGKILL leaves no time to do it oneself. The guardian is a shell that reads from a pipe
 * whose other end only this process holds, so it hears of its death by the end of it. It is in a process group of its own: whoever kills the group
 * of this process does not kill it.
 */
import { spawn } from 'node:child_process';

/** $0: the group; $1: seconds between SIGTERM and SIGKILL. A line in the pipe says that all is well. */
const SCRIPT = 'read -r _ && exit; kill -s TERM -- "-$0" || exit; sleep "$1"; kill -s KILL -- "-$0"';

/** @returns how to let the guardian go. */
export function guardGroup(pid: number, graceMs: number): () => void {
  const guardian = spawn('/bin/sh', ['-c', SCRIPT, `${pid}`, `${graceMs / 1000}`], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  // Without a shell nobody guards, and all else is as it was.
  guardian.on('error', () => {});
  guardian.stdin.on('error', () => {});
  guardian.unref();
  return () => guardian.stdin.end('\n');
}
