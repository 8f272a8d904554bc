import { posix } from 'node:path';
import type { Command } from 'commander';
import { hasCode } from '../../../services/base/errors.ts';
import { BLOCK_BYTES, type FileStat, type PanguClient, type WriteOptions } from '../../../services/pangu/contract.ts';
import { action, print, printJson, UsageError } from '../ui/action.ts';
import { withPangu } from '../ui/cluster.ts';
import { type Copied, copyWithin, get, put, toStandardOutput } from '../ui/copy.ts';
import { childPath, expand, panguStat } from '../ui/pangu-paths.ts';
import type { ResumeOptions } from '../ui/resume.ts';
import { renderTable } from '../ui/table.ts';
import { formatBytes, formatCount, formatTime, parseBytes } from '../ui/units.ts';
import { type VerbOptions, verb } from '../ui/verb.ts';
import { registerAttributes, shown } from './fs-attributes.ts';
import { registerFsck } from './fs-fsck.ts';
import { registerSpace } from './fs-space.ts';
import { registerTrash } from './fs-trash.ts';
import { registerWork } from './fs-work.ts';

/** `feitian fs …`: files in Pangu. */
export function register(program: Command): void {
  const fs = program.command('fs').description('files in Pangu; paths are /a/b or pangu://<cluster>/a/b');

  verb(
    fs,
    'put <paths...>',
    'copy files and directories into Pangu: <source…> <destination>; source - is standard input',
    'feitian fs put ./texts /books',
    'gzip -dc big.gz | feitian fs put - /books/big.txt',
  )
    .option('--replicas <n>', 'copies of each chunk')
    .option('--resume', 'leave out what is there already: as long, and written after its source was')
    .option('--checksum', 'with --resume: only if its bytes are the same too, which reads both')
    .option('--chunk <size>', 'length of a chunk, such as 8MiB')
    .action(
      action(async (paths: string[], options: VerbOptions & ResumeOptions & { replicas?: string; chunk?: string }) => {
        const { sources, destination } = splitPaths(paths);
        const written = writeOptions(options);
        const copied = await withPangu(options.dir, (pangu) => put(pangu, sources, destination, written, options));
        tellCopied(copied, options);
      }),
    );

  verb(
    fs,
    'get <paths...>',
    'copy files and directories out of Pangu: <source…> <destination>; destination - is standard output',
    "feitian fs get '/out/part-*' ./results/",
    'feitian fs get /out/part-00000 - | less',
  )
    .option('--resume', 'leave out what is there already, and go on in files that were begun')
    .option('--checksum', 'with --resume: only if its bytes are the same too, which reads both')
    .action(
      action(async (paths: string[], options: VerbOptions & ResumeOptions) => {
        const { sources, destination } = splitPaths(paths);
        const copied = await withPangu(options.dir, (pangu) => get(pangu, sources, destination, options));
        if (destination !== '-') tellCopied(copied, options);
      }),
    );

  verb(fs, 'cp <paths...>', 'copy within Pangu: <source…> <destination>', 'feitian fs cp -r /out /results/monday')
    .option('-r, --recursive', 'directories too, with all below them')
    .option('--resume', 'leave out what is there already: as long, and written after its source was')
    .option('--checksum', 'with --resume: only if its bytes are the same too, which reads both')
    .action(
      action(async (paths: string[], options: VerbOptions & ResumeOptions & { recursive?: boolean }) => {
        const { sources, destination } = splitPaths(paths);
        tellCopied(await withPangu(options.dir, (pangu) => copyWithin(pangu, sources, destination, options)), options);
      }),
    );

  verb(fs, 'cat <paths...>', 'print files', "feitian fs cat '/out/part-*' | sort -k2 -n | tail").action(
    action(async (paths: string[], options: VerbOptions) => {
      await withPangu(options.dir, async (pangu) => {
        const files = (await Promise.all(paths.map((path) => expand(pangu, path)))).flat();
        if (options.json) return printJson(await Promise.all(files.map((file) => contentOf(pangu, file.path))));
        for (const file of files) if (!(await toStandardOutput(pangu, file.path))) return;
      });
    }),
  );

  verb(fs, 'ls [paths...]', 'list directories', 'feitian fs ls -l /out')
    .option('-l, --long', 'with type, owner, copies, size and time')
    .action(
      action(async (paths: string[], options: VerbOptions & { long?: boolean }) => {
        const entries = await withPangu(options.dir, (pangu) => list(pangu, paths.length > 0 ? paths : ['/']));
        if (options.json) printJson(entries);
        else if (entries.length > 0) print(options.long ? longListing(entries) : entries.map(nameOf).join('\n'));
      }),
    );

  verb(fs, 'stat <path>', 'all that is known of a file or directory, with where its chunks lie', 'feitian fs stat /books/big.txt').action(
    action(async (path: string, options: VerbOptions) => {
      const found = await withPangu(options.dir, async (pangu) => {
        const stat = await pangu.stat(path);
        const attributes = Object.fromEntries([...(await pangu.attributes(path))].map(shown));
        return { ...stat, attributes, chunks: stat.type === 'file' ? await pangu.locate(path) : [] };
      });
      if (options.json) printJson(found);
      else print(describeFile(found));
    }),
  );

  verb(fs, 'rm <paths...>', 'remove files, to the trash; with -r directories and all below them', 'feitian fs rm -r /out')
    .option('-r, --recursive', 'directories too, with all below them')
    .option('-f, --force', 'it is fine if nothing is there')
    .option('--skip-trash', 'for good: nothing brings it back')
    .action(
      action(async (paths: string[], options: VerbOptions & RemoveOptions) => {
        const removed = await withPangu(options.dir, (pangu) => remove(pangu, paths, options));
        if (options.json) printJson({ removed });
      }),
    );

  verb(fs, 'mkdir <paths...>', 'make directories', 'feitian fs mkdir -p /data/2026/11')
    .option('-p, --parents', 'parents too; it is fine if they are there')
    .action(
      action(async (paths: string[], options: VerbOptions & { parents?: boolean }) => {
        await withPangu(options.dir, async (pangu) => {
          for (const path of paths) {
            await pangu.mkdir(path, { recursive: options.parents ?? false }).catch((error) => {
              if (!hasCode(error, 'ENOENT') || options.parents) throw error;
              throw new Error(`${error.message} (-p makes parents too)`, { cause: error });
            });
          }
        });
        if (options.json) printJson({ made: paths });
      }),
    );

  verb(fs, 'mv <paths...>', 'rename, or move into a directory: <source…> <destination>', 'feitian fs mv /out /results/monday').action(
    action(async (paths: string[], options: VerbOptions) => {
      const { sources, destination } = splitPaths(paths);
      const moved = await withPangu(options.dir, (pangu) => move(pangu, sources, destination));
      if (options.json) printJson({ moved });
    }),
  );

  registerSpace(fs);
  registerAttributes(fs);
  registerTrash(fs);
  registerFsck(fs);
  registerWork(fs);
}

interface RemoveOptions {
  recursive?: boolean;
  force?: boolean;
  skipTrash?: boolean;
}

function splitPaths(paths: string[]): { sources: string[]; destination: string } {
  if (paths.length < 2) throw new UsageError('name at least one source, and the destination last');
  return { sources: paths.slice(0, -1), destination: paths.at(-1)! };
}

function writeOptions({ replicas, chunk }: { replicas?: string; chunk?: string }): WriteOptions {
  const options: WriteOptions = {};
  if (replicas !== undefined) {
    options.replicas = Number(replicas);
    if (!Number.isInteger(options.replicas) || options.replicas < 1)
      throw new UsageError(`--replicas ${replicas} is not a whole number above 0`);
  }
  if (chunk !== undefined) {
    const bytes = parseBytes(chunk);
    if (!bytes || bytes % BLOCK_BYTES !== 0)
      throw new UsageError(`--chunk ${chunk} is not a multiple of ${formatBytes(BLOCK_BYTES)}, such as 8MiB`);
    options.chunkBytes = bytes;
  }
  return options;
}

function tellCopied(copied: Copied, { json }: VerbOptions): void {
  if (json) return printJson(copied);
  const skipped = copied.skipped ? `; ${formatCount(copied.skipped)} there already` : '';
  print(`${formatCount(copied.files)} ${copied.files === 1 ? 'file' : 'files'}, ${formatBytes(copied.bytes)}${skipped}`);
}

async function list(pangu: PanguClient, paths: string[]): Promise<FileStat[]> {
  const entries: FileStat[] = [];
  for (const path of paths) {
    for (const found of await expand(pangu, path)) {
      if (found.type === 'file') entries.push(found);
      else for await (const entry of pangu.readdir(found.path)) entries.push(entry);
    }
  }
  return entries;
}

/** A name may hold anything, also what would break a line or drive a terminal. */
function nameOf({ path, type }: FileStat): string {
  const name = posix.basename(path).replace(/\p{Cc}/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return type === 'directory' ? `${name}/` : name;
}

function longListing(entries: FileStat[]): string {
  const columns = [
    { title: 'type' },
    { title: 'owner' },
    { title: 'copies', align: 'right' },
    { title: 'size', align: 'right' },
    { title: 'modified' },
    { title: 'name' },
  ] as const;
  const rows = entries.map((entry) =>
    entry.type === 'directory'
      ? ['directory', entry.owner, '', '', formatTime(entry.modifiedAtMs), nameOf(entry)]
      : [
          entry.state === 'open' ? 'open file' : 'file',
          entry.owner,
          String(entry.replicas),
          formatBytes(entry.size),
          formatTime(entry.modifiedAtMs),
          nameOf(entry),
        ],
  );
  return renderTable(columns, rows);
}

type Described = FileStat & { attributes: Record<string, string>; chunks: Awaited<ReturnType<PanguClient['locate']>> };

function describeFile(file: Described): string {
  const lines = [`path      ${file.path}`, `type      ${file.type}${file.state === 'open' ? ', being written' : ''}`];
  if (file.owner !== '') lines.push(`owner     ${file.owner}`);
  if (file.type === 'file') {
    lines.push(`size      ${formatBytes(file.size)} (${formatCount(file.size)} bytes)`);
    lines.push(`chunks    ${file.chunks.length} of up to ${formatBytes(file.chunkBytes)}, ${file.replicas} copies each`);
  }
  lines.push(`created   ${formatTime(file.createdAtMs)}`, `modified  ${formatTime(file.modifiedAtMs)}`);
  for (const [name, value] of Object.entries(file.attributes)) lines.push(`attribute ${name} = ${value}`);
  if (file.chunks.length > 0) {
    const columns = [
      { title: 'offset', align: 'right' },
      { title: 'length', align: 'right' },
      { title: 'chunk' },
      { title: 'nodes' },
    ] as const;
    const rows = file.chunks.map(({ offset, length, chunk, nodes }) => [formatCount(offset), formatCount(length), chunk, nodes.join(', ')]);
    lines.push('', renderTable(columns, rows));
  }
  return lines.join('\n');
}

async function contentOf(pangu: PanguClient, path: string): Promise<{ path: string; encoding: 'utf8' | 'base64'; content: string }> {
  const bytes = await pangu.readFile(path);
  const text = bytes.toString('utf8');
  const isText = Buffer.from(text, 'utf8').equals(bytes);
  return { path, encoding: isText ? 'utf8' : 'base64', content: isText ? text : bytes.toString('base64') };
}

async function remove(
  pangu: PanguClient,
  paths: string[],
  { recursive = false, force = false, skipTrash = false }: RemoveOptions,
): Promise<string[]> {
  const removed: string[] = [];
  for (const path of paths) {
    const found = force && !(await panguStat(pangu, path)) && !/[*?[\]{}]/.test(path) ? [] : await expand(pangu, path);
    for (const { path: each, type } of found) {
      if (type === 'directory' && !recursive) throw new Error(`${each} is a directory; add -r to remove it with all below it`);
      await pangu.rm(each, { recursive, force, skipTrash });
      removed.push(each);
    }
  }
  return removed;
}

async function move(pangu: PanguClient, sources: string[], destination: string): Promise<{ from: string; to: string }[]> {
  const found = (await Promise.all(sources.map((source) => expand(pangu, source)))).flat();
  const into = (await panguStat(pangu, destination))?.type === 'directory';
  if (!into && (found.length > 1 || destination.endsWith('/'))) throw new Error(`${destination} is not a directory`);
  const moves = found.map(({ path }) => ({ from: path, to: into ? childPath(destination, posix.basename(path)) : destination }));
  for (const { from, to } of moves) await pangu.rename(from, to);
  return moves;
}
