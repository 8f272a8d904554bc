import { InvalidArgumentError } from 'commander';
import { REPLICAS_MAX } from '../../../services/pangu/contract-fields.ts';

/** For an option of commander's. */
export function wholeNumber(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0) throw new InvalidArgumentError('not a whole number.');
  return number;
}

/** How many copies of each chunk. */
export function copies(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > REPLICAS_MAX)
    throw new InvalidArgumentError(`not a whole number from 1 to ${REPLICAS_MAX}.`);
  return number;
}
