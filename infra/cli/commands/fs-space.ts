import type { Command } from 'commander';
import { inParallel } from '../../../services/base/in-parallel.ts';
import type { PanguClient, Usage } from '../../../services/pangu/contract.ts';
import { action, print, printJson, SilentFailure, UsageError } from '../ui/action.ts';
import { copies, wholeNumber } from '../ui/arguments.ts';
import { withPangu } from '../ui/cluster.ts';
import { shownName } from '../ui/file-view.ts';
import { expand, walkFiles } from '../ui/pangu-paths.ts';
import { quotaTable } from '../ui/quota-view.ts';
import { describeSpace, sumSpace } from '../ui/space-view.ts';
import { renderTable } from '../ui/table.ts';
import { formatBytes, formatCount, parseBytes } from '../ui/units.ts';
import { type VerbOptions, verb } from '../ui/verb.ts';

/** Each is a walk of the tables; more at once would only take Postgres from others. */
const USAGES_AT_ONCE = 8;

const right = (title: string) => ({ title, align: 'right' }) as const;

/** `feitian fs du|df|quota|setrep`: how much there is, and how much there may be. */
export function registerSpace(fs: Command): void {
  verb(
    fs,
    'du [paths...]',
    'how much lies in directories, with all below them: each directory in one that is named, then the named one itself',
    'feitian fs du -s /out /logs',
    'feitian fs du -a /out',
  )
    .option('-s, --summary', 'only what was named')
    .option('-a, --all', 'files too')
    .action(
      action(async (paths: string[], options: VerbOptions & { summary?: boolean; all?: boolean }) => {
        if (options.summary && options.all) throw new UsageError('--summary and --all are opposites');
        const found = await withPangu(options.dir, (pangu) => usages(pangu, paths.length > 0 ? paths : ['/'], options));
        if (options.json) return printJson(found);
        const rows = found.map(({ path, files, logicalBytes, storedBytes }) => [
          formatCount(files),
          formatBytes(logicalBytes),
          formatBytes(storedBytes),
          shownName(path),
        ]);
        print(renderTable([right('files'), right('bytes'), right('on disks'), { title: 'path' }], rows));
      }),
    );

  verb(fs, 'df', 'how full the disks are, node by node; with what is wrong with disks that take nothing', 'feitian fs df').action(
    action(async (options: VerbOptions) => {
      const space = sumSpace(await withPangu(options.dir, (pangu) => pangu.space()));
      if (options.json) printJson(space);
      else print(describeSpace(space));
    }),
  );

  verb(fs, 'setrep', 'how many copies files are to have; made, or removed, in the background', 'feitian fs setrep -R 2 /logs')
    .argument('<copies>', 'of each chunk', copies)
    .argument('<paths...>')
    .option('-R, --recursive', 'all files below directories')
    .action(
      action(async (replicas: number, paths: string[], options: VerbOptions & { recursive?: boolean }) => {
        const changed = await withPangu(options.dir, async (pangu) => {
          let count = 0;
          for await (const { path } of walkFiles(pangu, paths, options.recursive ?? false)) {
            await pangu.setReplicas(path, replicas);
            count++;
          }
          return count;
        });
        if (options.json) printJson({ replicas, changed });
        else print(`${formatCount(changed)} ${changed === 1 ? 'file' : 'files'}`);
      }),
    );

  registerQuota(fs.command('quota').description('limits of what directories may hold, in files and in bytes, copies not counted'));
}

type PathUsage = Usage & { path: string };

async function usages(
  pangu: PanguClient,
  paths: readonly string[],
  { summary, all }: { summary?: boolean; all?: boolean },
): Promise<PathUsage[]> {
  const wanted: string[] = [];
  for (const named of (await Promise.all(paths.map((path) => expand(pangu, path)))).flat()) {
    if (named.type === 'directory' && !summary)
      for await (const { path, type } of pangu.readdir(named.path)) if (all || type === 'directory') wanted.push(path);
    wanted.push(named.path);
  }
  const found: PathUsage[] = new Array(wanted.length);
  await inParallel(
    wanted.entries(),
    USAGES_AT_ONCE,
    () => true,
    async ([i, path]) => {
      found[i] = { path, ...(await pangu.usage(path)) };
    },
  );
  return found;
}

function registerQuota(quota: Command): void {
  verb(
    quota,
    'ls <path>',
    'the limits that hold for a path: its own, then those of the directories above',
    'feitian fs quota ls /home/alice',
  ).action(
    action(async (path: string, options: VerbOptions) => {
      const quotas = await withPangu(options.dir, (pangu) => pangu.quotas(path));
      if (options.json) printJson(quotas);
      else print(quotas.length > 0 ? quotaTable(quotas) : 'nothing limits it');
    }),
  );

  verb(
    quota,
    'set <directory>',
    'limit a directory; what is there stays, also over the limit',
    'feitian fs quota set /home/alice --files 100000 --bytes 1TiB',
  )
    .option('--files <n>', 'files in all below it', wholeNumber)
    .option('--bytes <size>', 'what they are long together, such as 10GiB')
    .action(
      action(async (directory: string, options: VerbOptions & { files?: number; bytes?: string }) => {
        const { files } = options;
        const bytes = options.bytes === undefined ? undefined : parseBytes(options.bytes);
        if (options.bytes !== undefined && bytes === undefined) throw new UsageError(`--bytes ${options.bytes} is no size, such as 10GiB`);
        if (files === undefined && bytes === undefined) throw new UsageError('name --files, --bytes or both');
        const quotas = await withPangu(options.dir, async (pangu) => {
          await pangu.setQuota(directory, { ...(files === undefined ? {} : { files }), ...(bytes === undefined ? {} : { bytes }) });
          return pangu.quotas(directory);
        });
        if (options.json) printJson(quotas[0]);
        else print(quotaTable(quotas.slice(0, 1)));
      }),
    );

  verb(quota, 'clear <directory>', 'take a limit away', 'feitian fs quota clear /home/alice').action(
    action(async (directory: string, options: VerbOptions) => {
      await withPangu(options.dir, (pangu) => pangu.setQuota(directory, null));
      if (options.json) printJson({ cleared: directory });
    }),
  );

  verb(quota, 'check', 'count anew what is kept as the usage of limited directories', 'feitian fs quota check --repair')
    .option('--repair', 'put right what is wrong')
    .action(
      action(async (options: VerbOptions & { repair?: boolean }) => {
        const { checked, drifted } = await withPangu(options.dir, (pangu) => pangu.checkQuotas({ repair: options.repair ?? false }));
        if (options.json) printJson({ checked, drifted });
        else {
          print(`${checked} counted, ${drifted.length} wrong${drifted.length > 0 && options.repair ? ', put right' : ''}`);
          for (const { path } of drifted) print(path);
        }
        if (drifted.length > 0 && !options.repair) throw new SilentFailure();
      }),
    );
}
