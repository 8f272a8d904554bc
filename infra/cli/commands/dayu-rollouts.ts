import type { Client, WorkflowHandle } from '@temporalio/client';
import { type Command, InvalidArgumentError } from 'commander';
import {
  type Application,
  DayuError,
  type HistoryEntry,
  type RolloutDocument,
  type RolloutProgress,
  type RolloutRecord,
  type RolloutResult,
} from '../../../services/dayu/contract.ts';
import { FEITIAN_QUEUE } from '../../../services/fuxi/contract.ts';
import { action, print, printJson, SilentFailure } from '../ui/action.ts';
import { inCluster } from '../ui/cluster.ts';
import { dayuMasterOf } from '../ui/dayu.ts';
import { describeFailure, explainFailure } from '../ui/failure.ts';
import { queryProgress } from '../ui/follow-workflow.ts';
import { newRolloutId, type RolloutFlags, readRolloutDocument, rolloutDocument } from '../ui/rollout-document.ts';
import { rolloutTable } from '../ui/rollout-view.ts';
import { webAddress, withTemporal } from '../ui/temporal.ts';
import { parseMs } from '../ui/units.ts';
import { type VerbOptions, verb } from '../ui/verb.ts';
import { followRollout, watchRollout } from '../ui/watch-rollout.ts';

/** The workflow type of a rollout. */
const ROLLOUT_WORKFLOW_TYPE = 'dayuRollout';

type StartOptions = VerbOptions & { id?: string; wait?: boolean; watch?: boolean };
type DeployOptions = StartOptions & RolloutFlags & { set?: Record<string, string> };

/** The verbs that start rollouts, show them and speak to them. */
export function registerRolloutVerbs(dayu: Command): void {
  startVerb(
    dayu,
    'deploy <application> [version]',
    'roll a release out over the nodes, wave by wave; or `deploy <file>`: the rollout that a JSON document describes, - is standard input',
    'feitian dayu deploy hello 2.0.0 --watch',
    'feitian dayu deploy hello 2.0.0 --nodes node-1,node-2 --bake 30s --approval',
    'feitian dayu deploy infra/examples/hello-rollout.json --wait',
  )
    .option('--nodes <a,b>', 'to these nodes (default: where it runs, or all nodes when it runs nowhere)', list)
    .option('--racks <a,b>', 'to all nodes of these racks', list)
    .option('--canary <n>', 'nodes of the first wave; 0 is none (default: 1)', number)
    .option('--wave-size <n|%>', 'nodes of each later wave, or their share of all (default: 50%)', count)
    .option('--max-unavailable <n|%>', 'so many may be without a healthy instance at a time (default: 1)', count)
    .option('--bake <time>', 'how long each wave must stay healthy, such as 10s or 2m (default: 10s)', duration)
    .option('--healthy-within <time>', 'how long an instance may take to become healthy (default: 30s)', duration)
    .option('--approval', 'wait for `feitian dayu approve` after the canary')
    .option('--on-failure <what>', 'rollback, or pause for a person to decide (default: rollback)')
    .option('--set <KEY=VALUE>', 'change the configuration first; may be given several times', assignment)
    .action(
      action(async (name: string, version: string | undefined, options: DeployOptions) => {
        const document = version === undefined ? await readRolloutDocument(name) : rolloutDocument(name, version, options);
        const { set } = options;
        if (set) {
          const user = options.user ?? document.user ?? 'default';
          await inCluster(options.dir, (member) =>
            dayuMasterOf(member).configure({ application: document.application, values: set, user }),
          );
        }
        await start(document, options);
      }),
    );

  startVerb(
    dayu,
    'rollback <application>',
    'take the rollout under way back; when none is, roll out the version before, out of the history',
    'feitian dayu rollback hello --watch',
    'feitian dayu rollback hello --to 1.0.0',
  )
    .option('--to <version>', 'to this version')
    .action(
      action(async (application: string, options: StartOptions & { to?: string; user?: string }) => {
        const { state, entries } = await inCluster(options.dir, async (member) => {
          const master = dayuMasterOf(member);
          return { state: await master.application({ application }), ...(await master.history({ application, limit: 1_000 })) };
        });
        const { rollout } = state;
        if (rollout?.state === 'running' && options.to === undefined && (await stillRuns(rollout, options)))
          return await tell(application, 'rollback', options);
        if (options.to === undefined && rollout?.state === 'rolledBack')
          throw new DayuError(
            'UnknownVersion',
            `the last rollout of ${application}, to ${rollout.version}, was rolled back already; to go further back, name a version with --to`,
          );
        const version = options.to ?? versionBefore(state, entries);
        await start(rolloutDocument(application, version, { ...(options.user ? { user: options.user } : {}) }), options);
      }),
    );

  verb(
    dayu,
    'watch <application>',
    'show the rollout under way, or the last, until it has ended; exit code 1 if it failed',
    'feitian dayu watch hello',
  ).action(
    action(async (application: string, options: VerbOptions) => {
      const { rollout } = await inCluster(options.dir, (member) => dayuMasterOf(member).application({ application }));
      if (!rollout)
        throw new Error(`there was no rollout of ${application} yet; begin one with: feitian dayu deploy ${application} <version>`);
      await withTemporal(options.dir, async (client) => {
        const handle = client.workflow.getHandle(rollout.workflowId, rollout.runId);
        await watchRollout(handle);
        await tellEnd(handle, options);
      });
    }),
  );

  const words = {
    pause: 'begin no other node of the rollout under way',
    resume: 'go on after a pause; nodes that failed are tried again',
    approve: 'the canary is well: go on with the other waves',
    abort: 'stop the rollout under way and leave nodes as they are',
  } as const;
  for (const [word, description] of Object.entries(words))
    verb(dayu, `${word} <application>`, description, `feitian dayu ${word} hello`).action(
      action((application: string, options: VerbOptions) => tell(application, word, options)),
    );
}

function startVerb(dayu: Command, usage: string, description: string, ...examples: string[]): Command {
  return verb(dayu, usage, description, ...examples)
    .option('--id <id>', 'workflow id (default: rollout-<application>-<short random id>)')
    .option('--user <name>', 'who rolls out', process.env.USER)
    .option('--wait', 'until it has ended; exit code 1 if it failed')
    .option('--watch', 'the same, and show how it goes');
}

async function start(document: RolloutDocument, options: StartOptions): Promise<void> {
  await withTemporal(options.dir, async (client, cluster) => {
    const id = options.id ?? newRolloutId(document.application);
    const handle = await startWorkflow(client, id, document);
    const runId = handle.firstExecutionRunId;
    const ui = webAddress(cluster, id, runId);
    if (!options.json) print(ui ? `${id}\n${ui}` : id);
    if (options.watch) await watchRollout(handle);
    else if (options.wait) await handle.result().catch(() => {});
    // What is wrong with it shows in its first moments; then it goes on without us.
    else if (!(await followRollout(handle, ({ phase }) => phase !== 'planning' && phase !== 'failed')))
      return options.json ? printJson({ id, runId, ...(ui ? { ui } : {}) }) : undefined;
    await tellEnd(handle, options);
  });
}

async function startWorkflow(client: Client, workflowId: string, document: RolloutDocument) {
  try {
    return await client.workflow.start(ROLLOUT_WORKFLOW_TYPE, {
      taskQueue: FEITIAN_QUEUE,
      workflowId,
      args: [document],
      staticSummary: `${document.application} ${document.version}`,
    });
  } catch (error) {
    if ((error as Error).name !== 'WorkflowExecutionAlreadyStartedError') throw error;
    throw new Error(`a rollout with the id ${workflowId} is running; see it with: feitian dayu watch ${document.application}`, {
      cause: error,
    });
  }
}

/** How it ended, and exit code 1 if that was not what was wanted. */
async function tellEnd(handle: WorkflowHandle, options: VerbOptions): Promise<void> {
  const { workflowId } = handle;
  const [progress, ended] = await Promise.all([
    queryProgress<RolloutProgress>(handle),
    handle.result().then(
      (result) => ({ result: result as RolloutResult }),
      (error) => ({ failure: explainFailure(error) }),
    ),
  ]);
  if (options.json) printJson({ id: workflowId, ...ended, ...(progress ? { progress } : {}) });
  else if (progress && Object.keys(progress.nodes).length > 0) print(rolloutTable(progress));
  if ('failure' in ended) {
    process.stderr.write(`feitian: ${describeFailure(ended.failure)}\n`);
    throw new SilentFailure();
  }
  const { outcome, nodes, reason } = ended.result;
  if (!options.json) print(`${outcome}: ${Object.keys(nodes).length} nodes${reason ? ` (${reason})` : ''}`);
}

/** A workflow that was terminated told the master nothing. */
function stillRuns({ workflowId, runId }: RolloutRecord, { dir }: VerbOptions): Promise<boolean> {
  return withTemporal(dir, async (client) => (await client.workflow.getHandle(workflowId, runId).describe()).status.name === 'RUNNING');
}

/** Sends an update to the rollout under way. */
async function tell(application: string, update: string, options: VerbOptions): Promise<void> {
  const { rollout } = await inCluster(options.dir, (member) => dayuMasterOf(member).application({ application }));
  if (rollout?.state !== 'running')
    throw new Error(`no rollout of ${application} is under way; see the last with: feitian dayu status ${application}`);
  const { workflowId, runId } = rollout;
  if (!(await stillRuns(rollout, options)))
    throw new Error(
      `the workflow ${workflowId} was ended from outside, so nobody hears it; nodes are as it left them: feitian dayu rollback ${application}, or deploy the version that you want`,
    );
  await withTemporal(options.dir, async (client) => {
    await client.workflow
      .getHandle(workflowId, runId)
      .executeUpdate(update)
      .catch((error: Error) => {
        throw error.name === 'WorkflowUpdateFailedError' && error.cause instanceof Error ? error.cause : error;
      });
  });
  if (options.json) printJson({ id: workflowId, runId, update });
  else print(`${workflowId}: ${update}`);
}

/** Where all nodes run the version of the last rollout that went well, the one before it; else, where one stopped half way, that version. */
export function versionBefore({ application, placements }: Application, entries: readonly HistoryEntry[]): string {
  const done = entries.flatMap(({ outcome, version }) => (outcome === 'done' && version ? [version] : []));
  const version = done.find((candidate) => placements.some((placement) => placement.version !== candidate));
  if (version !== undefined) return version;
  throw new DayuError('UnknownVersion', `no version of ${application} went well before the one that runs; name one with --to`);
}

const list = (text: string): string[] => text.split(',').filter((part) => part !== '');

function number(text: string): number {
  if (!/^-?\d+(\.\d+)?$/.test(text)) throw new InvalidArgumentError('not a number.');
  return Number(text);
}

const count = (text: string): number | string => (/^-?\d+$/.test(text) ? Number(text) : text);

function duration(text: string): number {
  const ms = parseMs(text);
  if (ms === undefined) throw new InvalidArgumentError('not a time such as 500ms, 10s, 2m or 1h.');
  return ms;
}

function assignment(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('not KEY=VALUE.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
