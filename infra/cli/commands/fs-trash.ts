import { posix } from 'node:path';
import type { Command } from 'commander';
import { hasCode } from '../../../services/base/errors.ts';
import type { PanguClient } from '../../../services/pangu/contract.ts';
import { formatPath, parsePath } from '../../../services/pangu/core/path.ts';
import { bucketTimeMs, originOf, TRASH_NAME, trashUser } from '../../../services/pangu/core/trash.ts';
import { action, print, printJson, UsageError } from '../ui/action.ts';
import { withPangu } from '../ui/cluster.ts';
import { shownName } from '../ui/file-view.ts';
import { expand, panguStat } from '../ui/pangu-paths.ts';
import { renderTable } from '../ui/table.ts';
import { formatBytes, formatCount, formatMs, formatTime, parseMs } from '../ui/units.ts';
import { type VerbOptions, verb } from '../ui/verb.ts';

/** `feitian fs trash …`: what was removed and can be had back. */
export function registerTrash(fs: Command): void {
  const trash = fs.command('trash').description(`what was removed lies in /${TRASH_NAME}/<user>/<time>/ until its time is over`);

  verb(trash, 'ls', 'what lies there, by who removed it and when', 'feitian fs trash ls --user user/alice')
    .option('--user <name>', 'of one user')
    .action(
      action(async (options: VerbOptions & { user?: string }) => {
        const found = await withPangu(options.dir, (pangu) => list(pangu, options.user));
        if (options.json) return printJson(found);
        if (found.length === 0) return print('nothing');
        const right = (title: string) => ({ title, align: 'right' }) as const;
        const rows = found.map(({ user, untilMs, files, bytes, path }) => [
          user,
          formatTime(untilMs),
          formatCount(files),
          formatBytes(bytes),
          shownName(path),
        ]);
        print(renderTable([{ title: 'user' }, { title: 'removed by' }, right('files'), right('bytes'), { title: 'path' }], rows));
      }),
    );

  verb(
    trash,
    'restore <paths...>',
    'put files and directories back where they stood',
    `feitian fs trash restore /${TRASH_NAME}/user:alice/2026-11-23T20-30Z/out`,
  )
    .option('--to <path>', 'put one of them elsewhere')
    .action(
      action(async (paths: string[], options: VerbOptions & { to?: string }) => {
        const restored = await withPangu(options.dir, (pangu) => restore(pangu, paths, options.to));
        if (options.json) printJson({ restored });
        else for (const { to } of restored) print(to);
      }),
    );

  verb(trash, 'empty', 'remove for good what lies there', 'feitian fs trash empty --older 1h')
    .option('--user <name>', 'of one user')
    .option('--older <time>', 'only what was removed so long ago, such as 90m')
    .action(
      action(async (options: VerbOptions & { user?: string; older?: string }) => {
        const olderThanMs = options.older === undefined ? 0 : timeOf('--older', options.older);
        const emptied = await withPangu(options.dir, (pangu) =>
          pangu.emptyTrash({ olderThanMs, ...(options.user === undefined ? {} : { user: options.user }) }),
        );
        if (options.json) printJson({ emptied });
        else
          print(
            emptied === 0
              ? 'nothing was due'
              : `${formatCount(emptied)} ${emptied === 1 ? 'directory' : 'directories'} of the trash removed`,
          );
      }),
    );

  verb(trash, 'retention [time]', 'how long it is kept, for the whole cluster; 0: nothing is', 'feitian fs trash retention 48h').action(
    action(async (time: string | undefined, options: VerbOptions) => {
      const retentionMs = await withPangu(options.dir, async (pangu) => {
        if (time !== undefined) await pangu.setTrashRetentionMs(timeOf('the time', time));
        return pangu.trashRetentionMs();
      });
      if (options.json) printJson({ retentionMs });
      else print(retentionMs === 0 ? 'nothing is kept' : formatMs(retentionMs));
    }),
  );
}

function timeOf(what: string, text: string): number {
  const ms = parseMs(text);
  if (ms === undefined) throw new UsageError(`${what} ${text} is none, such as 90m or 24h`);
  return ms;
}

interface Removed {
  user: string;
  /** All in it had been removed by then. */
  untilMs: number;
  files: number;
  bytes: number;
  path: string;
}

async function list(pangu: PanguClient, user: string | undefined): Promise<Removed[]> {
  const found: Removed[] = [];
  for await (const of of entries(pangu, `/${TRASH_NAME}`)) {
    const name = posix.basename(of);
    if (user !== undefined && name !== trashUser(user)) continue;
    for await (const path of entries(pangu, of)) {
      const untilMs = bucketTimeMs(posix.basename(path));
      if (untilMs === undefined) continue;
      const { files, logicalBytes } = await pangu.usage(path);
      found.push({ user: name, untilMs, files, bytes: logicalBytes, path });
    }
  }
  return found;
}

/** Directories below one, which need not be there. */
async function* entries(pangu: PanguClient, directory: string): AsyncGenerator<string> {
  try {
    for await (const { path, type } of pangu.readdir(directory)) if (type === 'directory') yield path;
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}

async function restore(pangu: PanguClient, paths: string[], to: string | undefined): Promise<{ from: string; to: string }[]> {
  const found = (await Promise.all(paths.map((path) => expand(pangu, path)))).flat();
  if (to !== undefined && found.length !== 1) throw new UsageError('--to takes one file or directory');
  const moves = found.map(({ path }) => {
    const origin = originOf(parsePath(path).names);
    if (!origin) throw new UsageError(`${path} is not something that was removed: those are /${TRASH_NAME}/<user>/<time>/<path>`);
    return { from: path, to: to ?? formatPath(origin) };
  });
  // A rename would replace it.
  for (const move of moves)
    if (await panguStat(pangu, move.to)) throw new Error(`EEXIST: ${move.to} is there (--to puts what was removed elsewhere)`);
  for (const move of moves) {
    await pangu.mkdir(posix.dirname(move.to), { recursive: true });
    await pangu.rename(move.from, move.to);
  }
  return moves;
}
