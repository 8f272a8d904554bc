import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { type Command, InvalidArgumentError } from 'commander';
import { FEITIAN_QUEUE } from '../../../services/fuxi/contract.ts';
import { HEALING_DEFAULTS, type Healing } from '../../../services/pangu/core/healing.ts';
import {
  PANGU_WORKFLOWS,
  REPAIR_ID,
  type WorkDocument,
  type WorkKind,
  type WorkPlan,
  type WorkProgress,
  type WorkResult,
} from '../../../services/pangu/work-contract.ts';
import type { ClusterInfo } from '../../cluster/cluster-file.ts';
import { action, print, printJson, SilentFailure, UsageError } from '../ui/action.ts';
import { inCluster } from '../ui/cluster.ts';
import { describeFailure, explainFailure } from '../ui/failure.ts';
import { queryProgress } from '../ui/follow-workflow.ts';
import { panguMasterOf } from '../ui/pangu-master.ts';
import { renderTable } from '../ui/table.ts';
import { webAddress, withTemporal } from '../ui/temporal.ts';
import { parseBytes } from '../ui/units.ts';
import { type VerbOptions, verb } from '../ui/verb.ts';
import { watchWork } from '../ui/watch-work.ts';
import { describeWork } from '../ui/work-view.ts';

/** A plan asks a master once. */
const PLAN_MS_MAX = 5_000;

interface WorkOptions extends VerbOptions {
  user: string;
  id?: string;
  rate?: number;
  wait?: boolean;
  watch?: boolean;
}

/** `feitian fs balance`, `drain` and `repair`, and what can be said to them while they run: plain Temporal clients; any other can do the same. */
export function registerWork(fs: Command): void {
  shared(
    verb(fs, 'balance', 'move replicas until all nodes are equally full, each by its size', 'feitian fs balance --rate 50MiB --watch'),
  ).action(action((options: WorkOptions) => run('balance', newId('balance'), [], options)));
  shared(
    verb(fs, 'drain <node...>', 'copy all that nodes hold elsewhere; then they may be switched off', 'feitian fs drain node-4 --watch'),
  ).action(action((nodes: string[], options: WorkOptions) => run('drain', newId(`drain-${nodes[0]}`), nodes, options)));
  shared(
    verb(fs, 'repair', 'make replicas that are lacking now, those of chunks in most danger first', 'feitian fs repair --watch'),
  ).action(action((options: WorkOptions) => run('repair', REPAIR_ID, [], options)));

  verb(fs, 'watch <id>', 'show how a balance, a drain or a repair goes until it has ended', 'feitian fs watch pangu-repair').action(
    action((id: string, options: VerbOptions) =>
      withTemporal(options.dir, (client, cluster) => tellEnd(client, cluster, id, undefined, { ...options, watch: true })),
    ),
  );
  say(fs, 'pause', 'copy nothing more until it is resumed');
  say(fs, 'resume', 'go on after a pause');
  verb(
    fs,
    'rate <id> <size>',
    'let a balance, a drain or a repair copy so much a second; `default` is what the cluster heals with',
    'feitian fs rate pangu-repair 20MiB',
  ).action(
    action((id: string, size: string, options: VerbOptions) => update(id, 'setRate', [size === 'default' ? null : bytesOf(size)], options)),
  );
  verb(
    fs,
    'cancel <id>',
    'end it; what was copied stays copied, and nodes that drained take new data again',
    'feitian fs cancel drain-node-4-1a2b3c',
  ).action(
    action((id: string, options: VerbOptions) =>
      withTemporal(options.dir, async (client) => {
        await client.workflow.getHandle(id).cancel();
        if (options.json) printJson({ id, cancelled: true });
        else print(`${id} was asked to end`);
      }),
    ),
  );
  verb(fs, 'healing', 'how the cluster heals; --set changes it', 'feitian fs healing', 'feitian fs healing --set deadAfterMs=300000')
    .option('--set <name=value...>', 'whole numbers; times in ms, sizes in bytes')
    .action(
      action(async (options: VerbOptions & { set?: string[] }) => {
        const settings = options.set && parseSettings(options.set);
        const now = await inCluster(options.dir, (member) => {
          const master = panguMasterOf(member);
          return settings ? master.setHealing({ settings }) : master.healingSettings({});
        });
        if (options.json) return printJson(now);
        const rows = Object.entries(now).map(([name, value]) => [name, String(value)]);
        print(renderTable([{ title: 'name' }, { title: 'value', align: 'right' }], rows));
      }),
    );
}

function shared(command: Command): Command {
  return command
    .option('--rate <size>', 'copy at most so much a second, such as 50MiB (default: what the cluster heals with)', (text) => {
      const bytes = parseBytes(text);
      if (!bytes) throw new InvalidArgumentError('not a size, such as 50MiB.');
      return bytes;
    })
    .option('--user <name>', 'who does it', process.env.USER || 'default')
    .option('--id <id>', 'workflow id')
    .option('--wait', 'until it has ended; exit code 1 if it failed')
    .option('--watch', 'the same, and show how it goes');
}

function say(fs: Command, name: 'pause' | 'resume', description: string): void {
  verb(fs, `${name} <id>`, `a balance, a drain or a repair: ${description}`, `feitian fs ${name} pangu-repair`).action(
    action((id: string, options: VerbOptions) => update(id, name, [], options)),
  );
}

async function update(id: string, name: string, args: unknown[], options: VerbOptions): Promise<void> {
  await withTemporal(options.dir, async (client) => {
    const handle = client.workflow.getHandle(id);
    await (args.length === 0 ? handle.executeUpdate(name) : handle.executeUpdate(name, { args: args as [unknown] }));
    const progress = await handle.query<WorkProgress>('progress');
    if (options.json) printJson({ id, progress });
    else print(describeWork(progress, undefined));
  });
}

function bytesOf(size: string): number {
  const bytes = parseBytes(size);
  if (!bytes) throw new UsageError(`${size} is not a size, such as 50MiB`);
  return bytes;
}

function parseSettings(pairs: readonly string[]): Partial<Healing> {
  const names = Object.keys(HEALING_DEFAULTS);
  return Object.fromEntries(
    pairs.map((pair) => {
      const [name, text, more] = pair.split('=');
      const value = Number(text);
      if (!name || !names.includes(name) || more !== undefined || !text || !Number.isSafeInteger(value) || value < 0)
        throw new UsageError(`--set ${pair}: must be <name>=<whole number>, with a name of ${names.join(', ')}`);
      return [name, value];
    }),
  );
}

function newId(what: string): string {
  return `${what}-${randomBytes(3).toString('hex')}`;
}

async function run(kind: WorkKind, defaultId: string, nodes: string[], options: WorkOptions): Promise<void> {
  const document: WorkDocument = { user: options.user, nodes, ...(options.rate === undefined ? {} : { bytesPerSecond: options.rate }) };
  await withTemporal(options.dir, async (client, cluster) => {
    const id = options.id ?? defaultId;
    const { firstExecutionRunId: runId } = await client.workflow.start(PANGU_WORKFLOWS[kind], {
      taskQueue: FEITIAN_QUEUE,
      workflowId: id,
      // A repair that runs already is the one that was asked for.
      workflowIdConflictPolicy: kind === 'repair' ? 'USE_EXISTING' : 'FAIL',
      args: [document],
      staticSummary: id,
    });
    const ends = options.wait || options.watch;
    if (!ends && (await isRefused(client.workflow.getHandle(id)))) return await tellEnd(client, cluster, id, runId, options);
    const ui = webAddress(cluster, id, runId);
    if (options.json && !ends) return printJson({ id, runId, ...(ui ? { ui } : {}) });
    if (!options.json) print(ui ? `${id}\n${ui}` : id);
    if (ends) await tellEnd(client, cluster, id, runId, options);
  });
}

/** Whether its plan, which takes a moment, was refused: a node that there is not, or one that cannot be done without. */
async function isRefused(handle: WorkflowHandle): Promise<boolean> {
  for (const untilMs = performance.now() + PLAN_MS_MAX; performance.now() < untilMs; await delay(100)) {
    if (await handle.query('plan').catch(() => null)) return false;
    const { status } = await handle.describe();
    if (status.name !== 'RUNNING') return status.name === 'FAILED';
  }
  return false;
}

/** Waits for the end and tells it; exit code 1 unless all was done. */
async function tellEnd(
  client: Client,
  cluster: ClusterInfo,
  id: string,
  runId: string | undefined,
  options: VerbOptions & { watch?: boolean },
): Promise<void> {
  const handle = client.workflow.getHandle(id);
  if (options.watch) await watchWork(handle);
  const ended: { result: WorkResult } | { failure: ReturnType<typeof explainFailure> } = await handle.result().then(
    (result) => ({ result: result as WorkResult }),
    (error) => ({ failure: explainFailure(error) }),
  );
  const progress = await queryProgress<WorkProgress>(handle);
  const plan = await handle.query<WorkPlan | null>('plan').catch(() => null);
  const ui = runId === undefined ? undefined : webAddress(cluster, id, runId);
  if (options.json) printJson({ id, ...(runId ? { runId } : {}), ...(ui ? { ui } : {}), ...ended, ...(progress ? { progress } : {}) });
  else if (progress) print(describeWork(progress, plan ?? undefined));
  if ('failure' in ended) process.stderr.write(`feitian: ${describeFailure(ended.failure)}\n`);
  if ('failure' in ended || ended.result.outcome !== 'done') throw new SilentFailure();
}
