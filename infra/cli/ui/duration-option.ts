import { InvalidArgumentError, Option } from 'commander';
import { parseMs } from './units.ts';

const DAY_MS = 86_400_000;

/** An option that takes a time, in milliseconds for who reads it. Its default is to be given with the words that the help shows: `.default(30 * DAY_MS, '30d')`. */
export function durationOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser(parseDuration);
}

function parseDuration(text: string): number {
  const days = /^(\d+)d$/.exec(text);
  const ms = days ? Number(days[1]) * DAY_MS : parseMs(text);
  if (ms === undefined || ms <= 0) throw new InvalidArgumentError('not a time such as 10m, 12h or 30d.');
  return ms;
}
