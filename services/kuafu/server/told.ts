import { randomBytes } from 'node:crypto';
import { FeitianError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { encodeBody } from '../codec.ts';
import { KuafuError } from '../contract.ts';
import { errorToBody } from '../core/messages.ts';

/** What callers are told of what went wrong. */

/** What they are not told the log is told; returns under which number. `cause`: what it came of. */
export function logUntold(log: Logger, told: unknown, cause: unknown, event: string, fields: object): string {
  if (told instanceof FeitianError) return '';
  const logged = randomBytes(6).toString('hex');
  log.error({ err: cause, logged, ...fields }, event);
  return logged;
}

/** The body of an error frame. */
export function encodeError(error: unknown, logged: string): Buffer {
  const body = errorToBody(error, logged);
  try {
    return encodeBody(body);
  } catch {
    return encodeBody({ ...body, details: {} }); // details that are no JSON
  }
}

/**
 * What a handler that called others was told about its own identity says nothing of its caller's: `Unauthenticated` is what this server says of a call that it did not
 * run, and callers act on that.
 */
export function ownError(error: unknown): unknown {
  if (!(error instanceof KuafuError) || error.code !== 'Unauthenticated') return error;
  return new KuafuError('Internal', `a call that this one needed was refused: ${error.message}`, { cause: error });
}
