import { InvalidArgumentError } from 'commander';

/** For an option of commander's. */
export function wholeNumber(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0) throw new InvalidArgumentError('not a whole number.');
  return number;
}
