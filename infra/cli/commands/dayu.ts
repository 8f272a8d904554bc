import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { packDirectory, uploadPackage } from '../../../services/dayu/client.ts';
import type { Application, RolloutProgress } from '../../../services/dayu/contract.ts';
import { action, print, printJson, UsageError } from '../ui/action.ts';
import { wholeNumber } from '../ui/arguments.ts';
import { inCluster, withPangu } from '../ui/cluster.ts';
import { dayuMasterOf, instancesOf } from '../ui/dayu.ts';
import { queryProgress } from '../ui/follow-workflow.ts';
import { type ApplicationStatus, applicationTable, describeApplication, historyTable } from '../ui/rollout-view.ts';
import { withTemporal } from '../ui/temporal.ts';
import { formatBytes } from '../ui/units.ts';
import { type VerbOptions, verb } from '../ui/verb.ts';
import { registerNodeVerbs } from './dayu-nodes.ts';
import { registerRolloutVerbs } from './dayu-rollouts.ts';

/** `feitian dayu …`: packages and what runs of them; the verbs of rollouts are in dayu-rollouts.ts. */
export function register(program: Command): void {
  const dayu = program.command('dayu').description('services on the nodes: packages, releases, configuration, rollouts');

  verb(
    dayu,
    'pack <directory>',
    'make a package of a directory with a dayu.json, put it into Pangu and register it as a release',
    'feitian dayu pack infra/examples/hello-service',
  )
    .option('--out <file>', 'write the package to this file too')
    .action(action(pack));

  registerRolloutVerbs(dayu);
  registerNodeVerbs(dayu);

  verb(
    dayu,
    'status [application]',
    'releases, configuration, what runs where, and the rollout under way or the last',
    'feitian dayu status hello',
  ).action(action(status));

  verb(dayu, 'history <application>', 'what happened to an application, newest first', 'feitian dayu history hello --limit 20')
    .option('--limit <n>', 'how many', wholeNumber, 50)
    .action(
      action(async (application: string, options: VerbOptions & { limit: number }) => {
        const { entries } = await inCluster(options.dir, (member) => dayuMasterOf(member).history({ application, limit: options.limit }));
        if (options.json) printJson(entries);
        else print(historyTable(entries));
      }),
    );

  verb(
    dayu,
    'configure <application> <changes...>',
    'set environment variables of all instances (KEY=VALUE) or take them away (KEY-); they hold from the next rollout on',
    'feitian dayu configure hello GREETING=welcome OLD_NAME-',
  )
    .option('--user <name>', 'who changes it', userName())
    .action(
      action(async (application: string, changes: string[], options: VerbOptions & { user: string }) => {
        const values = Object.fromEntries(changes.map(parseChange));
        const configuration = await inCluster(options.dir, (member) =>
          dayuMasterOf(member).configure({ application, values, user: options.user }),
        );
        if (options.json) return printJson(configuration);
        const lines = Object.entries(configuration.values).map(([name, value]) => `${name}=${value}`);
        print([`configuration ${configuration.version} of ${application}`, ...lines].join('\n'));
      }),
    );
}

async function pack(directory: string, options: VerbOptions & { out?: string }): Promise<void> {
  const packed = await packDirectory(directory);
  if (options.out) await writeFile(options.out, packed.archive);
  await withPangu(options.dir, (pangu) => uploadPackage(pangu, packed));
  const { digest, bytes, descriptor } = packed;
  const { release, created } = await inCluster(options.dir, (member) =>
    dayuMasterOf(member).registerRelease({ descriptor, digest, bytes }),
  );
  const { application, version } = release;
  if (options.json) return printJson({ application, version, digest, bytes, created, ...(options.out ? { out: options.out } : {}) });
  print(`${application} ${version}${created ? '' : ', registered before'}\n${digest}\n${formatBytes(bytes)}`);
}

async function status(name: string | undefined, options: VerbOptions): Promise<void> {
  await inCluster(options.dir, async (member) => {
    const master = dayuMasterOf(member);
    if (name === undefined) {
      const { applications } = await master.applications({});
      return options.json
        ? printJson(applications)
        : print(applications.length > 0 ? applicationTable(applications) : 'there is no application');
    }
    const application = await master.application({ application: name });
    const { instances, silent } = await instancesOf(member, name);
    const all = { ...application, instances, silent, ...(await underWay(options.dir, application)) };
    if (options.json) return printJson(all);
    print(describeApplication(all, Date.now()));
    if (silent.length > 0) process.stderr.write(`feitian: no answer from ${silent.join(', ')}\n`);
  });
}

/** Of the rollout under way: how far it is, if somebody answers; or that its workflow was ended from outside, which tells the master nothing. */
async function underWay(dir: string, { rollout }: Application): Promise<Pick<ApplicationStatus, 'progress' | 'endedUnsaid'>> {
  if (rollout?.state !== 'running') return {};
  return withTemporal(dir, async (client) => {
    const handle = client.workflow.getHandle(rollout.workflowId, rollout.runId);
    const { status } = await handle.describe();
    if (status.name !== 'RUNNING') return { endedUnsaid: status.name };
    const progress = await queryProgress<RolloutProgress>(handle);
    return progress ? { progress } : {};
  });
}

/** `KEY=VALUE`, or `KEY-` to take it away. */
function parseChange(text: string): [string, string | null] {
  const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)(?:=(.*)|-)$/s.exec(text) ?? [];
  if (name === undefined) throw new UsageError(`${text} is neither KEY=VALUE nor KEY-`);
  return [name, value ?? null];
}

function userName(): string {
  return process.env.USER || 'default';
}
