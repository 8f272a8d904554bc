import { messageOf } from '../base/errors.ts';
import { DayuError } from './contract.ts';

/** `doing`: what was tried, in words that follow "could not". */
export function storageFailure(error: unknown, doing: string): DayuError {
  return error instanceof DayuError ? error : new DayuError('StorageFailed', `could not ${doing}: ${messageOf(error)}`, { cause: error });
}
