import { resolve } from 'node:path';
import { Command } from 'commander';

export interface DemoOptions {
  /** Files to count the words of; none: the text that comes with the packages. */
  files: string[];
  keep: boolean;
  killNode: boolean;
  /** A service is rolled out too, well and badly. */
  tour: boolean;
  color: boolean;
  dir: string;
}

/** A directory of its own, so that a cluster that is up in `.feitian` is left alone. */
const DIRECTORY_DEFAULT = '.feitian-demo';

export function parseOptions(argv: readonly string[]): DemoOptions {
  const program = new Command('npm run demo --')
    .description('Starts a cluster, puts text into Pangu, counts its words in a job, shows the result and stops everything.')
    .argument('[files...]', 'files to count the words of (default: the text in node_modules)')
    .option('--keep', 'leave the cluster up', false)
    .option('--kill-node', 'kill a node in the middle of the job', false)
    .option(
      '--tour',
      'the whole shape: after the word count a service is rolled out, renewed under load, and saved from a bad version',
      false,
    )
    .option('--no-color', 'plain output')
    .option('--dir <directory>', 'where the cluster keeps its files; what is there is removed', DIRECTORY_DEFAULT)
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
  program.parse(argv, { from: 'user' });
  const { dir, ...options } = program.opts<Omit<DemoOptions, 'files'>>();
  return { ...options, dir: resolve(dir), files: program.args };
}
