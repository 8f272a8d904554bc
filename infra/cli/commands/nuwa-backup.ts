import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { KuafuClient } from '../../../services/kuafu/contract.ts';
import { nuwaService } from '../../../services/nuwa/contract.ts';
import { INSTEAD } from '../../../services/nuwa/log/damage.ts';
import { restoreFiles } from '../../../services/nuwa/log/restore.ts';
import { snapshotMark } from '../../../services/nuwa/log/snapshot-file.ts';
import { layoutOf } from '../../cluster/layout.ts';
import { roleConfigs } from '../../config.ts';
import { action, print, printJson, SilentFailure } from '../ui/action.ts';
import { createBytesBar } from '../ui/bars.ts';
import { colors as pc } from '../ui/colors.ts';
import { type NuwaOptions, nuwaVerb, withServers } from '../ui/nuwa.ts';
import { saveSnapshot } from '../ui/nuwa-backup.ts';
import { type CheckedFiles, checkFiles } from '../ui/nuwa-check.ts';
import { type Comparison, compareServers, type Seen } from '../ui/nuwa-compare.ts';
import { askGroup, assertAnswered, type GroupView, type ServerView, viewOf } from '../ui/nuwa-group.ts';
import { caughtUp, problemsOf } from '../ui/nuwa-health.ts';
import { restoreServer } from '../ui/nuwa-restore.ts';
import { renderTable } from '../ui/table.ts';
import { formatBytes, formatCount } from '../ui/units.ts';
import { type VerbOptions, verb } from '../ui/verb.ts';

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

  verb(
    nuwa,
    'restore <file>',
    'make the files of one server of a new group that begins with what a snapshot holds; to be done for each of its servers',
    'feitian nuwa restore nuwa.snapshot --data /var/lib/feitian/nuwa-1 --id nuwa-1 --members nuwa-1=tcp://10.77.0.1:20500,nuwa-2=tcp://10.77.0.2:20500,nuwa-3=tcp://10.77.0.3:20500',
  )
    .requiredOption('--data <directory>', 'where the server is to keep its files; nothing may be there')
    .requiredOption('--id <name>', 'which one of the new group it is')
    .requiredOption('--members <name=tcp://host:port,…>', 'all servers of the new group, the same list for each of them')
    .addHelpText(
      'after',
      `
Nothing of the old group may run any more where the new one answers. The tree, its revisions and the fencing tokens are those of
the snapshot; what was changed after it is lost, and sessions that nobody keeps alive expire. Besides files of "feitian nuwa snapshot"
it takes a snapshot-… out of the directory of a server that is left of the old group.`,
    )
    .action(action(restore));

  nuwaVerb(
    nuwa,
    'check [directory]',
    'whether the servers hold the same, and which of them lag; with a directory, whether the files of a server in it are sound',
    'feitian nuwa check',
    'feitian nuwa check /var/lib/feitian/nuwa-1',
  ).action(
    action((directory: string | undefined, options: NuwaOptions) =>
      directory === undefined ? checkGroup(options) : checkDirectory(directory, options),
    ),
  );
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
function source(view: GroupView): ServerView {
  assertAnswered(view);
  const { leader, servers } = view;
  if (leader === undefined)
    throw new Error('nobody leads the group, so nobody can say what is committed (see which servers answer with: feitian nuwa status)');
  const rank = ({ state, lag = 0 }: ServerView): number => lag + (state === 'leader' ? 1 : 0);
  const whole = servers.filter(({ state, status }) => (state === 'leader' || state === 'follower') && status?.writable);
  return whole.sort((a, b) => rank(a) - rank(b))[0]!;
}

async function checkGroup(options: NuwaOptions): Promise<void> {
  const { view, found, late, compared } = await withServers(options, async (kuafu, addresses) => {
    const { view, late } = await caughtUp(kuafu, addresses);
    assertAnswered(view);
    // One that lags holds less for sure: what differs there says nothing.
    const lags = new Set(late.map(({ id }) => id));
    const compared = view.servers.filter(({ id, status, state }) => status && state !== 'outsider' && !lags.has(id));
    return { view, late, compared: compared.map(({ id }) => id), found: await compare(kuafu, compared) };
  });
  const lagging = late.map(
    ({ id, appliedIndex, wanted }) =>
      `${id} lags: it has entry ${formatCount(appliedIndex)} of ${formatCount(wanted)}, and was not compared`,
  );
  const problems = [...problemsOf(view), ...lagging];
  const sound = problems.length === 0 && found.differences.length === 0;
  if (options.json)
    printJson({ sound, servers: compared, problems, ...found, differences: found.differences.map(differenceAsJson(compared)) });
  else print(report(found, compared, problems));
  if (!sound) throw new SilentFailure();
}

function compare(kuafu: KuafuClient, servers: readonly ServerView[]): Promise<Comparison> {
  return compareServers(servers.map(({ address }) => kuafu.service(nuwaService, address)));
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

interface RestoreFlags extends VerbOptions {
  data: string;
  id: string;
  members: string;
}

async function restore(file: string, { data, id, members, json }: RestoreFlags): Promise<void> {
  if (!existsSync(file)) throw new Error(`${file} is not there`);
  // As the role will read them, so that what is wrong with them shows now; nothing is served here.
  const [config] = await roleConfigs(['nuwa'], { data, nuwaId: id, nuwaMembers: members, insecure: true }, {});
  const files = { restoreFiles, snapshotMark };
  const restoring = { file, dir: resolve(data), members: config!.nuwaServer!.members };
  const restored = await restoreServer(files, restoring, (bytes) => createBytesBar('restore', bytes));
  if (json) return printJson({ data: restoring.dir, id, ...restored });
  const { nodes, revision } = restored;
  print(`${restoring.dir}: ${id} of a new group, with ${formatCount(nodes)} nodes up to revision ${formatCount(revision)}. When all are made:
  feitian run nuwa --nuwa-id ${id} --nuwa-members ${members} --data ${data}`);
}

const FILE_COLUMNS = [{ title: 'file' }, { title: 'kind' }, { title: 'size', align: 'right' }, { title: 'holds' }] as const;

/** One server's directory, or all of a local cluster's, of which `.feitian` or its `nuwa` is named. */
async function checkDirectory(directory: string, { json }: NuwaOptions): Promise<void> {
  const checked: CheckedFiles[] = [];
  for (const dir of await serverDirectories(resolve(directory))) checked.push(await checkFiles(dir));
  if (json) printJson({ sound: checked.every(({ sound }) => sound), servers: checked });
  else print(checked.map(filesReport).join('\n\n'));
  if (!checked.every(({ sound }) => sound)) throw new SilentFailure();
}

async function serverDirectories(dir: string): Promise<string[]> {
  const below = existsSync(layoutOf(dir).nuwaFile) ? join(dir, 'nuwa') : dir;
  const names = await readdir(below, { withFileTypes: true }).catch((cause) => {
    throw new Error(`${dir} is not there, or no directory`, { cause });
  });
  const servers = names.filter((entry) => entry.isDirectory() && /^nuwa-\d+$/.test(entry.name)).map(({ name }) => join(below, name));
  return servers.length > 0 ? servers.sort() : [below];
}

function filesReport({ dir, files, problems, sound, lastIndex, term }: CheckedFiles): string {
  const rows = files.map(({ file, kind, bytes, holds, problem }) => [file, kind, formatBytes(bytes), problem ? pc.red(problem) : holds]);
  const verdict = sound ? pc.green('sound') : pc.red('damaged');
  return [
    `${dir}: ${verdict}, up to entry ${formatCount(lastIndex)}, in term ${formatCount(term)}`,
    renderTable(FILE_COLUMNS, rows),
    ...problems.map((problem) => pc.red(problem)),
    ...(sound ? [] : [INSTEAD]),
  ].join('\n');
}
