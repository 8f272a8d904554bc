import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import type { KuafuClient } from '../../../services/kuafu/contract.ts';
import { nuwaService } from '../../../services/nuwa/contract.ts';
import { action, print, printJson, SilentFailure } from '../ui/action.ts';
import { createBytesBar } from '../ui/bars.ts';
import { colors as pc } from '../ui/colors.ts';
import { type NuwaOptions, nuwaVerb, withServers } from '../ui/nuwa.ts';
import { saveSnapshot } from '../ui/nuwa-backup.ts';
import { type Comparison, compareServers, type Seen } from '../ui/nuwa-compare.ts';
import { askGroup, type GroupView, type ServerView, viewOf } from '../ui/nuwa-group.ts';
import { formatBytes, formatCount } from '../ui/units.ts';

/** Backups, and whether what the servers hold is sound. */
export function registerBackup(nuwa: Command): void {
  nuwaVerb(
    nuwa,
    'snapshot <file>',
    'save all that the group holds now into a file, while it goes on',
    'feitian nuwa snapshot nuwa-$(date +%F).snapshot',
  )
    .option('-f, --force', 'replace the file if it is there')
    .action(action(snapshot));

  nuwaVerb(
    nuwa,
    'check [directory]',
    'whether the servers hold the same; with a directory, whether the files of one server in it are sound',
    'feitian nuwa check',
    'feitian nuwa check /var/lib/feitian/nuwa-1',
  ).action(action((directory: string | undefined, options: NuwaOptions) => (directory === undefined ? checkGroup(options) : checkFiles())));
}

async function snapshot(file: string, options: NuwaOptions & { force?: boolean }): Promise<void> {
  if (!existsSync(dirname(resolve(file)))) throw new Error(`the directory ${dirname(resolve(file))} is not there`);
  if (existsSync(file) && !options.force) throw new Error(`${file} is there already: name another, or add --force`);
  const saved = await withServers(options, async (kuafu, addresses) => {
    const { id, address } = source(viewOf(await askGroup(kuafu, addresses)));
    return { server: id, ...(await saveSnapshot(kuafu, address, file, (bytes) => createBytesBar('snapshot', bytes))) };
  });
  if (options.json) printJson({ file: resolve(file), ...saved });
  else print(`${file}: ${formatBytes(saved.bytes)}, all up to entry ${formatCount(saved.index)}, from ${saved.server}`);
}

/** A follower that has all: the leader has enough to do. */
function source({ leader, servers }: GroupView): ServerView {
  if (leader === undefined)
    throw new Error('nobody leads the group, so nobody can say what is committed (see which servers answer with: feitian nuwa status)');
  const rank = ({ state, lag = 0 }: ServerView): number => lag + (state === 'leader' ? 1 : 0);
  const whole = servers.filter(({ state, status }) => (state === 'leader' || state === 'follower') && status?.writable);
  return whole.sort((a, b) => rank(a) - rank(b))[0]!;
}

async function checkGroup(options: NuwaOptions): Promise<void> {
  const { view, found, compared } = await withServers(options, async (kuafu, addresses) => {
    const view = viewOf(await askGroup(kuafu, addresses));
    const compared = view.servers.filter(({ status, state }) => status && state !== 'outsider');
    return { view, compared: compared.map(({ id }) => id), found: await compare(kuafu, compared) };
  });
  const problems = problemsOf(view);
  const sound = problems.length === 0 && found.differences.length === 0;
  if (options.json)
    printJson({ sound, servers: compared, problems, ...found, differences: found.differences.map(differenceAsJson(compared)) });
  else print(report(found, compared, problems));
  if (!sound) throw new SilentFailure();
}

function compare(kuafu: KuafuClient, servers: readonly ServerView[]): Promise<Comparison> {
  return compareServers(servers.map(({ address }) => kuafu.service(nuwaService, address)));
}

function problemsOf({ leader, servers }: GroupView): string[] {
  const problems = servers.flatMap(({ id, state, status, problem }) => {
    if (state === 'silent') return [`${id} does not answer${problem ? `: ${problem}` : ''}`];
    if (state === 'outsider') return [`${id} answers and is not in the group`];
    return status?.writable === false ? [`${id} cannot write its log`] : [];
  });
  if (leader === undefined) problems.push('nobody leads');
  const leading = servers.filter(({ status }) => status?.role === 'leader').map(({ id, status }) => `${id} ${status!.term}`);
  if (new Set(leading.map((each) => each.split(' ')[1])).size < leading.length)
    problems.push(`several lead one term: ${leading.join(', ')}`);
  return problems;
}

const differenceAsJson =
  (servers: readonly string[]) =>
  ({ path, seen }: Comparison['differences'][number]): object => ({
    path,
    seen: Object.fromEntries(servers.map((id, i) => [id, seen[i] ? { modifyRevision: seen[i].modifyRevision } : null])),
  });

const PATHS_SHOWN = 20;

function report({ nodes, differences, moving }: Comparison, servers: readonly string[], problems: readonly string[]): string {
  const what = (seen: Seen): string => (seen ? `revision ${seen.modifyRevision}` : 'nothing');
  const lines = problems.map((problem) => pc.red(problem));
  for (const { path, seen } of differences.slice(0, PATHS_SHOWN))
    lines.push(`${pc.red(path)} differs: ${servers.map((id, i) => `${id} has ${what(seen[i])}`).join(', ')}`);
  if (differences.length > PATHS_SHOWN) lines.push(`… and ${formatCount(differences.length - PATHS_SHOWN)} more`);
  if (moving.length > 0) lines.push(`${formatCount(moving.length)} nodes changed too often to be compared, such as ${moving[0]}`);
  const verdict = differences.length === 0 ? pc.green('no difference') : pc.red(`${formatCount(differences.length)} differences`);
  lines.push(`${formatCount(nodes)} nodes on ${servers.join(', ')}: ${verdict}`);
  return lines.join('\n');
}

async function checkFiles(): Promise<void> {
  throw new Error('not there yet');
}
