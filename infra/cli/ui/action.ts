/**
 * What every verb shares: results go to stdout, errors to stderr as one sentence with what to do about it; exit 0 success, 1 failure, 2 bad usage.
 */
import { FeitianError, messageOf } from '../../../services/base/errors.ts';

/** The caller asked for something that makes no sense: exit 2. */
export class UsageError extends Error {}

/** Told already, in full: nothing is printed, the exit code is 1. */
export class SilentFailure extends Error {}

const HINTS: Readonly<Record<string, string>> = {
  ENOENT: 'see what is there with: feitian fs ls',
  EEXIST: 'remove it first, or name another',
  ENOTEMPTY: 'to remove all that is in it: feitian fs rm -r',
  EISDIR: 'name a file',
  ENOSPC: 'remove files, or add disks',
  EDQUOT: 'see the limits with: feitian fs quota ls',
  ENOTDIR: 'a file stands where a directory is wanted',
  ENAMETOOLONG: 'names have up to 255 bytes, paths up to 4096',
  EBUSY: 'somebody writes to it; try again when it is closed',
  EIO: 'see what is lost with: feitian fs fsck',
  ENODATA: 'see what is there with: feitian fs attr ls',
  Unavailable: 'see which processes run with: feitian status',
  DeadlineExceeded: 'see which processes run with: feitian status',
  Unimplemented: 'see what is there with: feitian rpc ls <address>',
  NoNode: 'see what is there with: feitian nuwa ls',
  NotEmpty: 'to remove it with all below it, add --recursive',
  NodeExists: 'feitian nuwa set changes it',
  BadVersion: 'see which one it has with: feitian nuwa get --json',
  BadPath: 'paths are /a/b',
  Compacted: 'that is no longer kept: read what is there, and begin after the revision of that',
  NotLeader: 'see who leads with: feitian nuwa status',
  BadMembers: 'see who is in the group with: feitian nuwa members',
};

/** Wraps a verb for commander's `action`. */
export function action<Args extends unknown[]>(run: (...args: Args) => Promise<void>): (...args: Args) => Promise<void> {
  return async (...args) => {
    try {
      await run(...args);
    } catch (error) {
      process.exitCode = error instanceof UsageError ? 2 : 1;
      if (!(error instanceof SilentFailure)) process.stderr.write(`feitian: ${printable(describeError(error))}\n`);
    }
  };
}

export function describeError(error: unknown): string {
  const hint = error instanceof FeitianError ? HINTS[error.code] : undefined;
  const message = `${messageOf(error)}${causeAtTemporal(error)}`;
  return hint ? `${message} (${hint})` : message;
}

/** Names may hold what would drive a terminal. Lines stay lines. */
function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n]/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** The Temporal client's own message says which call failed; why is in what it came from. */
function causeAtTemporal(error: unknown): string {
  if (!(error instanceof Error) || error.name !== 'ServiceError' || !(error.cause instanceof Error)) return '';
  const { details } = error.cause as { details?: string };
  return `: ${details || error.cause.message}`;
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
