import { posix } from 'node:path';
import type { Command } from 'commander';
import { hasCode } from '../../../services/base/errors.ts';
import { type PanguClient, PanguError } from '../../../services/pangu/contract.ts';
import { action, printJson } from '../ui/action.ts';
import { withPangu } from '../ui/cluster.ts';
import { childPath, expand, panguStat } from '../ui/pangu-paths.ts';
import { type VerbOptions, verb } from '../ui/verb.ts';
import { splitPaths } from './fs-copy.ts';

interface RemoveOptions {
  recursive?: boolean;
  force?: boolean;
  skipTrash?: boolean;
}

/** `feitian fs mkdir|mv|rm`: names come, change and go. */
export function registerNames(fs: Command): void {
  verb(fs, 'mkdir <paths...>', 'make directories', 'feitian fs mkdir -p /data/2026/11')
    .option('-p, --parents', 'parents too; it is fine if they are there')
    .action(
      action(async (paths: string[], options: VerbOptions & { parents?: boolean }) => {
        await withPangu(options.dir, async (pangu) => {
          for (const path of paths) {
            await pangu.mkdir(path, { recursive: options.parents ?? false }).catch((error) => {
              if (!hasCode(error, 'ENOENT') || options.parents) throw error;
              throw new PanguError('ENOENT', `${error.reason}; -p makes parents too`, { cause: error });
            });
          }
        });
        if (options.json) printJson({ made: paths });
      }),
    );

  verb(
    fs,
    'mv <paths...>',
    'rename, or move into a directory: <source…> <destination>; a file that stands there is replaced',
    'feitian fs mv /out /results/monday',
  ).action(
    action(async (paths: string[], options: VerbOptions) => {
      const { sources, destination } = splitPaths(paths);
      const moved = await withPangu(options.dir, (pangu) => move(pangu, sources, destination));
      if (options.json) printJson({ moved });
    }),
  );

  verb(
    fs,
    'rm <paths...>',
    'remove files, to the trash (feitian fs trash brings them back); with -r directories and all below them',
    'feitian fs rm -r /out',
  )
    .option('-r, --recursive', 'directories too, with all below them')
    .option('-f, --force', 'it is fine if nothing is there')
    .option('--skip-trash', 'for good: nothing brings it back')
    .action(
      action(async (paths: string[], options: VerbOptions & RemoveOptions) => {
        const removed = await withPangu(options.dir, (pangu) => remove(pangu, paths, options));
        if (options.json) printJson({ removed });
      }),
    );
}

/** All that is wrong with what was named is told before anything goes. */
async function remove(
  pangu: PanguClient,
  paths: string[],
  { recursive = false, force = false, skipTrash = false }: RemoveOptions,
): Promise<string[]> {
  const found = new Map<string, 'file' | 'directory'>();
  for (const path of paths) {
    const named = await expand(pangu, path).catch((error) => {
      if (force && hasCode(error, 'ENOENT')) return [];
      throw error;
    });
    for (const { path: each, type } of named) found.set(each, type);
  }
  for (const [path, type] of found) {
    if (path === '/') throw new PanguError('EINVAL', 'the root cannot be removed; /* names all that is in it');
    if (type === 'directory' && !recursive) throw new Error(`EISDIR: ${path} is a directory (add -r to remove it with all below it)`);
  }
  const removed: string[] = [];
  const directories: string[] = [];
  for (const [path, type] of found) {
    if (directories.some((above) => path.startsWith(`${above}/`))) continue;
    if (type === 'directory') directories.push(path);
    await pangu.rm(path, { recursive, force, skipTrash });
    removed.push(path);
  }
  return removed;
}

async function move(pangu: PanguClient, sources: string[], destination: string): Promise<{ from: string; to: string }[]> {
  const found = (await Promise.all(sources.map((source) => expand(pangu, source)))).flat();
  const there = await panguStat(pangu, destination);
  const into = there?.type === 'directory';
  if (!into && (found.length > 1 || destination.endsWith('/')))
    throw new PanguError(there ? 'ENOTDIR' : 'ENOENT', `${destination} is ${there ? 'not a' : 'no'} directory`);
  const moves = found.map(({ path }) => ({ from: path, to: into ? childPath(destination, posix.basename(path)) : destination }));
  const twice = moves.find(({ to }, i) => moves.findIndex((other) => other.to === to) !== i);
  if (twice) throw new PanguError('EEXIST', `two of them would become ${twice.to}`);
  for (const { from, to } of moves) await pangu.rename(from, to);
  return moves;
}
