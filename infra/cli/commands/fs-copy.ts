import { resolve } from 'node:path';
import type { Command } from 'commander';
import { BLOCK_BYTES, type PanguClient, type WriteOptions } from '../../../services/pangu/contract.ts';
import { CHUNK_BYTES_MAX } from '../../../services/pangu/contract-fields.ts';
import { action, print, printJson, SilentFailure, UsageError } from '../ui/action.ts';
import { copies } from '../ui/arguments.ts';
import { withPangu } from '../ui/cluster.ts';
import type { Copied, CopyOptions } from '../ui/copy/copy-all.ts';
import { get } from '../ui/copy/get.ts';
import { CopyJournal } from '../ui/copy/journal.ts';
import { put } from '../ui/copy/put.ts';
import { STANDARD } from '../ui/copy/standard.ts';
import { copyWithin } from '../ui/copy/within.ts';
import { untilInterrupted } from '../ui/interrupt.ts';
import { formatBytes, formatCount, parseBytes } from '../ui/units.ts';
import { type VerbOptions, verb } from '../ui/verb.ts';

/** So many files that were not copied are told by name; --json has all. */
const FAILED_SHOWN = 20;

interface SameOptions {
  skipSame?: boolean;
}

const RESUMES = `
An interrupted copy goes on when the same command is given again: what was finished (same length, same CRC32C, not
changed since in Pangu) is not sent again. Each file appears under its name when it is whole.`;

/** `feitian fs put|get|cp`. */
export function registerCopy(fs: Command): void {
  skipping(
    verb(
      fs,
      'put <paths...>',
      'copy files and directories into Pangu: <source…> <destination>; source - is standard input',
      'feitian fs put ./texts /books',
      'gzip -dc big.gz | feitian fs put - /books/big.txt',
    ),
  )
    .option('--replicas <n>', 'copies of each chunk (default: 3)', copies)
    .option('--chunk <size>', 'length of a chunk, such as 8MiB (default: what the directory says, else 64MiB)')
    .addHelpText('after', `${RESUMES} Links are followed.`)
    .action(
      action((paths: string[], options: VerbOptions & SameOptions & { replicas?: number; chunk?: string }) => {
        const { sources, destination } = splitPaths(paths);
        const written = writeOptions(options);
        const command = [
          'put',
          ...sources.map((source) => resolve(source)),
          destination,
          String(options.replicas ?? ''),
          options.chunk ?? '',
        ];
        return copy(command, options, (pangu, how) => put(pangu, sources, destination, written, how));
      }),
    );

  skipping(
    verb(
      fs,
      'get <paths...>',
      'copy files and directories out of Pangu: <source…> <destination>; destination - is standard output',
      "feitian fs get '/out/part-*' ./results/",
      'feitian fs get /out/part-00000 - | less',
    ),
  )
    .addHelpText('after', RESUMES)
    .action(
      action((paths: string[], options: VerbOptions & SameOptions) => {
        const { sources, destination } = splitPaths(paths);
        if (destination === STANDARD && options.json) throw new UsageError('with --json, standard output is taken; name a file');
        const command = ['get', ...sources, destination === STANDARD ? STANDARD : resolve(destination)];
        return copy(command, options, (pangu, how) => get(pangu, sources, destination, how), destination === STANDARD);
      }),
    );

  skipping(verb(fs, 'cp <paths...>', 'copy within Pangu: <source…> <destination>', 'feitian fs cp -r /out /results/monday'))
    .option('-r, --recursive', 'directories too, with all below them')
    .addHelpText('after', RESUMES)
    .action(
      action((paths: string[], options: VerbOptions & SameOptions & { recursive?: boolean }) => {
        const { sources, destination } = splitPaths(paths);
        const command = ['cp', ...sources, destination];
        return copy(command, options, (pangu, how) => copyWithin(pangu, sources, destination, { ...how, recursive: options.recursive }));
      }),
    );
}

function skipping(command: Command): Command {
  return command.option('--skip-same', 'leave out what is there with the same bytes, whoever copied it; reads both');
}

async function copy(
  command: readonly string[],
  { dir, json, skipSame }: VerbOptions & SameOptions,
  run: (pangu: PanguClient, how: CopyOptions) => Promise<Copied>,
  quiet = false,
): Promise<void> {
  await untilInterrupted(async (signal) => {
    const copied = await withPangu(dir, async (pangu) =>
      run(pangu, { signal, skipSame, journal: await CopyJournal.open(dir, [pangu.cluster, ...command]) }),
    );
    if (signal.aborted) return;
    if (!quiet) tellCopied(copied, json);
    if (copied.failed.length > 0) throw new SilentFailure();
  });
}

export function splitPaths(paths: string[]): { sources: string[]; destination: string } {
  if (paths.length < 2) throw new UsageError('name at least one source, and the destination last');
  return { sources: paths.slice(0, -1), destination: paths.at(-1)! };
}

function writeOptions({ replicas, chunk }: { replicas?: number; chunk?: string }): WriteOptions {
  const options: WriteOptions = {};
  if (replicas !== undefined) options.replicas = replicas;
  if (chunk !== undefined) {
    const bytes = parseBytes(chunk);
    if (!bytes || bytes % BLOCK_BYTES !== 0 || bytes > CHUNK_BYTES_MAX)
      throw new UsageError(
        `--chunk ${chunk} is not a multiple of ${formatBytes(BLOCK_BYTES)}, up to ${formatBytes(CHUNK_BYTES_MAX)}, such as 8MiB`,
      );
    options.chunkBytes = bytes;
  }
  return options;
}

function tellCopied(copied: Copied, json: boolean | undefined): void {
  const { files, bytes, skipped, failed } = copied;
  if (json) printJson(copied);
  else {
    const parts = [`${formatCount(files)} ${files === 1 ? 'file' : 'files'}, ${formatBytes(bytes)}`];
    if (skipped > 0) parts.push(`${formatCount(skipped)} there already`);
    if (failed.length > 0) parts.push(`${formatCount(failed.length)} not copied`);
    print(parts.join('; '));
  }
  for (const { path, why } of failed.slice(0, FAILED_SHOWN)) process.stderr.write(`feitian: ${path}: ${why}\n`);
  if (failed.length > FAILED_SHOWN)
    process.stderr.write(`feitian: … and ${formatCount(failed.length - FAILED_SHOWN)} more; --json has all\n`);
}
