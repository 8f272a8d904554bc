import { posix } from 'node:path';
import type { Command } from 'commander';
import type { FileStat, PanguClient } from '../../../services/pangu/contract.ts';
import { action, print, printJson, UsageError } from '../ui/action.ts';
import { wholeNumber } from '../ui/arguments.ts';
import { withPangu } from '../ui/cluster.ts';
import { toStandardOutput, writeOut } from '../ui/copy/standard.ts';
import { contentOf, describeFile, shownName, shownValue } from '../ui/file-view.ts';
import { untilInterrupted } from '../ui/interrupt.ts';
import { JsonList } from '../ui/list-output.ts';
import { Listing } from '../ui/listing.ts';
import { expand } from '../ui/pangu-paths.ts';
import { endOf, startOfLines } from '../ui/tail.ts';
import { parseBytes } from '../ui/units.ts';
import { type VerbOptions, verb } from '../ui/verb.ts';

const TAIL_LINES = 10;

/** `feitian fs cat|tail|ls|stat`: what is there. They change nothing. */
export function registerRead(fs: Command): void {
  verb(fs, 'cat <paths...>', 'print files', "feitian fs cat '/out/part-*' | sort -k2 -n | tail").action(
    action(async (paths: string[], options: VerbOptions) => {
      await withPangu(options.dir, async (pangu) => {
        const files = (await Promise.all(paths.map((path) => expand(pangu, path)))).flat();
        if (options.json) return printJson(await Promise.all(files.map((file) => contentOf(file.path, pangu.readFile(file.path)))));
        for (const file of files) if (!(await toStandardOutput(pangu.createReadStream(file.path)))) return;
      });
    }),
  );

  verb(
    fs,
    'tail <path>',
    'print the end of a file; with -f also what is added to it, until it is interrupted',
    'feitian fs tail -f /logs/today',
    'feitian fs tail -c 1MiB /logs/today',
  )
    .option('-n, --lines <n>', 'so many lines', wholeNumber, TAIL_LINES)
    .option('-c, --bytes <size>', 'so many bytes instead, such as 4096 or 1MiB')
    .option('-f, --follow', 'go on with what is added')
    .action(
      action(async (path: string, options: VerbOptions & { lines: number; bytes?: string; follow?: boolean }) => {
        if (options.follow && options.json) throw new UsageError('--follow has no end, so there is no JSON of it');
        const bytes = options.bytes === undefined ? undefined : parseBytes(options.bytes);
        if (options.bytes !== undefined && bytes === undefined) throw new UsageError(`--bytes ${options.bytes} is no size, such as 1MiB`);
        await untilInterrupted((signal) =>
          withPangu(options.dir, async (pangu) => {
            const { size } = await pangu.stat(path);
            const file = await pangu.open(path, 'r');
            const end = await endOf(file, size);
            const start = bytes === undefined ? await startOfLines(file, end, options.lines) : Math.max(0, end - bytes);
            if (options.json) {
              printJson({ offset: start, ...(await contentOf(path, file.read(start, end - start))) });
              return file.close();
            }
            await file.close();
            const range = options.follow ? { start, follow: true, signal } : { start, end: end - 1 };
            await toStandardOutput(pangu.createReadStream(path, range));
          }),
        );
      }),
    );

  verb(fs, 'ls [paths...]', 'list directories', 'feitian fs ls -l /out')
    .option('-l, --long', 'with type, owner, copies, size and time')
    .action(
      action(async (paths: string[], options: VerbOptions & { long?: boolean }) => {
        await withPangu(options.dir, (pangu) => list(pangu, paths.length > 0 ? paths : ['/'], options));
      }),
    );

  verb(fs, 'stat <path>', 'all that is known of a file or directory, with where its chunks lie', 'feitian fs stat /books/big.txt').action(
    action(async (path: string, options: VerbOptions) => {
      const found = await withPangu(options.dir, async (pangu) => {
        const stat = await pangu.stat(path);
        const attributes = Object.fromEntries([...(await pangu.attributes(path))].map(shownValue));
        return { ...stat, attributes, chunks: stat.type === 'file' ? await pangu.locate(path) : [] };
      });
      if (options.json) printJson(found);
      else print(describeFile(found));
    }),
  );
}

/** Entries go out as they come in: a directory of a million is never held. */
async function list(pangu: PanguClient, paths: readonly string[], { json, long }: { json?: boolean; long?: boolean }): Promise<void> {
  const found = (await Promise.all(paths.map((path) => expand(pangu, path)))).flat();
  // As everywhere: what was named itself first, then directories, each under its name when there are several.
  const files = found.filter(({ type }) => type === 'file');
  const directories = found.filter(({ type }) => type === 'directory');
  if (json) {
    const out = new JsonList();
    for (const file of files) await out.add(file);
    for (const { path } of directories) for await (const entry of pangu.readdir(path)) if (!(await out.add(entry))) return;
    await out.end();
    return;
  }
  const several = found.length > 1;
  if (!(await listAll(files, several, long))) return;
  for (const [i, { path }] of directories.entries()) {
    if (several) await writeOut(`${i > 0 || files.length > 0 ? '\n' : ''}${shownName(path)}:\n`);
    if (!(await listAll(pangu.readdir(path), false, long))) return;
  }
}

async function listAll(
  entries: AsyncIterable<FileStat> | Iterable<FileStat>,
  wholePaths: boolean,
  long: boolean | undefined,
): Promise<boolean> {
  const listing = new Listing(long === true, ({ path }) => (wholePaths ? path : posix.basename(path)), writeOut);
  for await (const entry of entries) if (!(await listing.add(entry))) return false;
  return listing.end();
}
