/** Turns whatever went wrong in an attempt into the error that its result carries. */
import { FeitianError, messageOf } from '../../base/errors.ts';
import { type FuxiCode, FuxiError } from '../contract.ts';

/** How much of standard error a failure carries. */
export const STDERR_TAIL_BYTES = 4096;

/** Errors of the operating system that mean that the machine's own disk is at fault, not the program. */
const DISK_CODES = ['ENOSPC', 'EDQUOT', 'EROFS', 'EMFILE', 'ENFILE'];

/**
 * `doing`: what was tried, in words that follow "could not".
 * A refusal of Fuxi passes as it is. Pangu's and Kuafu's become `StorageFailed`, with the cause in the message.
 */
export function storageFailure(error: unknown, doing: string): FuxiError {
  if (error instanceof FuxiError) return error;
  return new FuxiError('StorageFailed', `could not ${doing}: ${messageOf(error)}`, { cause: error });
}

/** Input that is not there is one thing, input that cannot be read just now another. */
export function inputFailure(error: unknown, path: string): FuxiError {
  const missing = error instanceof FeitianError && ['ENOENT', 'ENOTDIR', 'EISDIR', 'EINVAL', 'ENAMETOOLONG'].includes(error.code);
  if (missing) return new FuxiError('InputNotFound', `${path}: ${messageOf(error)}`, { cause: error });
  return storageFailure(error, `read ${path}`);
}

/** Anything at all; what is not known is the program's fault. */
export function attemptFailure(error: unknown): FuxiError {
  if (error instanceof FuxiError) return error;
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code !== undefined && DISK_CODES.includes(code))
    return new FuxiError('StorageFailed', `this machine: ${messageOf(error)}`, { cause: error });
  if (error instanceof FeitianError) return storageFailure(error, 'go on');
  return new FuxiError('ProgramFailed', messageOf(error), { cause: error });
}

/** `summary: last line`, and below it the whole tail when there is more than that line. */
export function withStandardError(code: FuxiCode, summary: string, tail: string, details: Record<string, unknown> = {}): FuxiError {
  const text = tail.trimEnd();
  const lines = text.split('\n');
  const last = lines.at(-1)!.slice(0, 500);
  const message = text === '' ? summary : `${summary}: ${last}`;
  const whole = lines.length > 1 || lines[0]!.length > 500 ? `${message}\nstandard error ends with:\n${text}` : message;
  return new FuxiError(code, whole, { details: { ...details, stderr: text } });
}
