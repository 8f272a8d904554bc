import { type Command, Option } from 'commander';

export const DIRECTORY_DEFAULT = '.feitian';

/** The options that every verb has. */
export interface VerbOptions {
  dir: string;
  json?: boolean;
}

/** One verb of the `feitian` command, with the options that all have and an example under its help. */
export function verb(parent: Command, usage: string, description: string, ...examples: string[]): Command {
  return parent
    .command(usage)
    .description(description)
    .addOption(new Option('--dir <directory>', 'where the cluster keeps its files').env('FEITIAN_DIR').default(DIRECTORY_DEFAULT))
    .option('--json', 'print the result as JSON')
    .addHelpText('after', `\nExample:\n${examples.map((line) => `  $ ${line}`).join('\n')}`);
}
