import type { Command } from 'commander';
import type { CreateOptions, NuwaClient, NuwaNode } from '../../../services/nuwa/contract.ts';
import { action, print, printJson, SilentFailure, UsageError } from '../ui/action.ts';
import { wholeNumber } from '../ui/arguments.ts';
import { untilInterrupted } from '../ui/interrupt.ts';
import { durationMs, type NuwaOptions, nodePath, nuwaVerb, readValue, valueAsJson, withNuwa } from '../ui/nuwa.ts';
import { renderTable } from '../ui/table.ts';
import { formatBytes, formatTime, parseMs } from '../ui/units.ts';
import { registerBackup } from './nuwa-backup.ts';
import { registerServers } from './nuwa-servers.ts';
import { registerWatching } from './nuwa-watching.ts';

/** `feitian nuwa …`: the tree of small values in which the cluster's processes find one another, and the servers that keep it. */
export function register(program: Command): void {
  // `members` has options and verbs: what stands behind a verb is the verb's own, all the way down.
  program.enablePositionalOptions();
  const nuwa = program.command('nuwa').description('the coordination tree, and the servers that keep it').enablePositionalOptions();

  nuwaVerb(nuwa, 'ls [path]', 'children of a node', 'feitian nuwa ls /services/tubo', 'feitian nuwa ls -l /services/pangu-chunk')
    .option('-l, --long', 'with size, version, owner and time')
    .action(
      action(async (path: string | undefined, options: NuwaOptions & { long?: boolean }) => {
        const { children, revision } = await withNuwa(options, (client) => client.list(nodePath(path ?? '/')));
        if (options.json) printJson({ revision, children: children.map(nodeAsJson) });
        else if (children.length > 0) print(options.long ? longListing(children) : children.map(nameOf).join('\n'));
      }),
    );

  nuwaVerb(nuwa, 'get <path>', 'the value of a node, as it stands', 'feitian nuwa get /services/tubo/node-1').action(
    action(async (path: string, options: NuwaOptions) => {
      const node = await withNuwa(options, (client) => client.get(nodePath(path)));
      if (options.json) return printJson(nodeAsJson(node));
      process.stdout.write(node.value);
      if (process.stdout.isTTY) process.stdout.write('\n');
    }),
  );

  nuwaVerb(
    nuwa,
    'set <path> [value]',
    'change the value of a node; - is standard input',
    'feitian nuwa set /config/limit 10',
    'feitian nuwa set /config/limits --file limits.json --version 3',
  )
    .option('--file <path>', 'the value is what this file holds')
    .option('--version <n>', 'only if the node still has this version', wholeNumber)
    .action(
      action(async (path: string, given: string | undefined, options: NuwaOptions & { file?: string; version?: number }) => {
        const value = await readValue(given, options.file);
        if (value === undefined) throw new UsageError("name the value, - or --file; an empty one is ''");
        const { version } = options;
        const done = await withNuwa(options, (client) => client.set(nodePath(path), value, version === undefined ? {} : { version }));
        if (options.json) printJson({ path: nodePath(path), ...done });
      }),
    );

  nuwaVerb(
    nuwa,
    'create <path> [value]',
    'make a node; - is standard input. One that is --ephemeral lives as long as its maker, so it needs --hold',
    'feitian nuwa create --parents /config/limit 10',
    'feitian nuwa create --sequential /queue/job- --file work.json',
    'feitian nuwa create --ephemeral --hold /alive/$(hostname)',
  )
    .option('--file <path>', 'the value is what this file holds')
    .option('-p, --parents', 'parents too, where they are missing')
    .option('--sequential', 'with a number behind its name that never comes again under this parent')
    .option('--container', 'goes by itself some time after its last child went')
    .option('--ttl <time>', 'goes by itself when it was not set for this long and has no children, such as 10m')
    .option('--ephemeral', 'goes when this command ends')
    .option('--hold', 'do not end before Ctrl-C or SIGTERM')
    .action(action(create));

  nuwaVerb(nuwa, 'rm <path>', 'remove a node', 'feitian nuwa rm --recursive /config', 'feitian nuwa rm --version 3 /config/limit')
    .option('-r, --recursive', 'with all below it')
    .option('--version <n>', 'only if the node still has this version', wholeNumber)
    .action(
      action(async (path: string, options: NuwaOptions & { recursive?: boolean; version?: number }) => {
        const { recursive = false, version } = options;
        const wanted = { recursive, ...(version === undefined ? {} : { version }) };
        const done = await withNuwa(options, (client) => client.delete(nodePath(path), wanted));
        if (options.json) printJson({ path: nodePath(path), ...done });
      }),
    );

  registerWatching(nuwa);
  registerServers(nuwa);
  registerBackup(nuwa);
}

interface CreateFlags extends NuwaOptions {
  file?: string;
  parents?: boolean;
  sequential?: boolean;
  container?: boolean;
  ttl?: string;
  ephemeral?: boolean;
  hold?: boolean;
}

async function create(path: string, given: string | undefined, flags: CreateFlags): Promise<void> {
  const { parents, sequential, container, ephemeral, hold } = flags;
  if (ephemeral && !hold)
    throw new UsageError('an --ephemeral node goes when this command ends: add --hold, or run a command under a lock (feitian nuwa lock)');
  if (sequential && path.endsWith('/'))
    throw new UsageError(`a --sequential node begins with a name, behind which its number goes, such as ${path}job-`);
  const value = (await readValue(given, flags.file)) ?? new Uint8Array();
  const options: CreateOptions = {
    ...(parents ? { parents } : {}),
    ...(sequential ? { sequential } : {}),
    ...(container ? { container } : {}),
    ...(ephemeral ? { ephemeral } : {}),
    ...(flags.ttl === undefined ? {} : { ttlMs: durationMs(flags.ttl, '--ttl', parseMs) }),
  };
  const make = (interrupted?: AbortSignal): Promise<void> =>
    withNuwa(flags, async (client) => {
      const made = await client.create(nodePath(path), value, options);
      if (flags.json) printJson(made);
      else print(made.path);
      if (!interrupted || !(await expiredBefore(client, interrupted))) return;
      process.stderr.write(`feitian: the session expired, so ${made.path} may be gone\n`);
      throw new SilentFailure();
    });
  await (hold ? untilInterrupted(make) : make());
}

/** Whether the client's session expired before the signal aborted. */
function expiredBefore({ session }: NuwaClient, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    session.onState((state) => state === 'expired' && resolve(true));
    signal.addEventListener('abort', () => resolve(false));
    if (signal.aborted) resolve(false);
  });
}

const nameOf = ({ path, childCount }: NuwaNode): string => path.slice(path.lastIndexOf('/') + 1) + (childCount > 0 ? '/' : '');

function longListing(nodes: NuwaNode[]): string {
  const columns = [
    { title: 'size', align: 'right' },
    { title: 'version', align: 'right' },
    { title: 'owner' },
    { title: 'modified' },
    { title: 'name' },
  ] as const;
  return renderTable(
    columns,
    nodes.map((node) => [
      formatBytes(node.value.length),
      String(node.version),
      node.creator + kindOf(node),
      formatTime(node.modifiedAtMs),
      nameOf(node),
    ]),
  );
}

function kindOf({ ephemeralOwner, container, ttlMs }: NuwaNode): string {
  if (ephemeralOwner !== undefined) return ' (ephemeral)';
  if (container) return ' (container)';
  return ttlMs === undefined ? '' : ' (TTL)';
}

const nodeAsJson = ({ value, ...node }: NuwaNode): object => ({ ...node, ...valueAsJson(value) });
