import { type ParseArgsConfig, parseArgs } from 'node:util';

/** Of a program that a person starts by hand: what it was told, or, of an option it does not have, how it is used, and exit code 2. `--help` ends it too. */
export function argumentsOf<const Options extends NonNullable<ParseArgsConfig['options']>>(usage: string, options: Options) {
  try {
    if (!process.argv.slice(2).includes('--help')) return parseArgs({ allowPositionals: true, options });
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`);
    process.exit(2);
  }
  console.log(usage);
  process.exit(0);
}
