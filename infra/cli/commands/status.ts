import type { Command } from 'commander';
import { hasCode, messageOf } from '../../../services/base/errors.ts';
import { isSameProcess } from '../../../services/base/process.ts';
import { attachCluster, type ClusterInfo, type ClusterStatus, type ProcessStatus } from '../../cluster/launch.ts';
import { layoutOf } from '../../cluster/layout.ts';
import { readRecord } from '../../cluster/record.ts';
import { action, print, printJson } from '../ui/action.ts';
import { colors as pc } from '../ui/colors.ts';
import { commandIdentity } from '../ui/identity.ts';
import { asAddress, callingServers } from '../ui/nuwa.ts';
import { askGroup, type GroupView, viewAsJson, viewOf } from '../ui/nuwa-group.ts';
import { renderTable } from '../ui/table.ts';
import { formatMs, formatTime } from '../ui/units.ts';
import { type VerbOptions, verb } from '../ui/verb.ts';

export function register(program: Command): void {
  verb(
    program,
    'status',
    'the processes of the local cluster and where it answers; exit code 1 when it is not up',
    'feitian status',
    'feitian status --json',
  ).action(action(status));
}

async function status({ dir, json }: VerbOptions): Promise<void> {
  const cluster = await attachCluster(dir);
  const { info } = cluster;
  const now = await cluster.status().catch(async (error) => {
    if (!hasCode(error, 'NotRunning')) throw error;
    process.stderr.write(`feitian: ${messageOf(error)}\n`);
    process.exitCode = 1;
    return withoutLauncher(cluster.dir, info);
  });
  const { leftBehind, revokedIssuer } = await import('../ui/issuer-guard.ts');
  const revoked = await revokedIssuer(layoutOf(dir).keys, Date.now());
  if (revoked !== undefined) {
    process.stderr.write(
      `feitian: the issuer's key ${revoked} is revoked: no process answers another. The way back: feitian key rotate issuer, feitian down, feitian up\n`,
    );
    process.exitCode = 1;
  }
  for (const { name, fromMs, because } of await leftBehind(layoutOf(dir).keys, Date.now())) {
    const since = fromMs > 0 ? ` since ${formatTime(fromMs)}` : '';
    process.stderr.write(
      `feitian: ${name} is let in by nobody${since}: ${because}. A new token: ${name.startsWith('service/') ? 'feitian down, feitian up' : `feitian key grant ${name.replace(/^user\//, '')} …`}\n`,
    );
    if (name.startsWith('service/')) process.exitCode = 1;
  }
  const group = await nuwaGroup(info);
  if (json) printJson({ ...info, nuwa: { ...info.nuwa, ...viewAsJson(group) }, dir: cluster.dir, ...now });
  else print(page(info, now, group));
}

/** Whether the group has a leader tells more than that its processes run. A server that hangs must not hold this up for long. */
const NUWA_MS_MAX = 1_000;

async function nuwaGroup(info: ClusterInfo): Promise<GroupView> {
  const { nuwa } = info;
  return callingServers(await commandIdentity(info), async (kuafu) =>
    viewOf(
      await askGroup(
        kuafu,
        nuwa.kuafu.map((address) => asAddress(address)),
        NUWA_MS_MAX,
      ),
    ),
  );
}

/** A cluster works on without its launcher; nobody starts again what dies. */
async function withoutLauncher(dir: string, info: ClusterInfo): Promise<Omit<ClusterStatus, 'launcherPid'>> {
  const started = (await readRecord(layoutOf(dir).recordFile))?.processes ?? [];
  const processes = info.processes.map(async ({ role, node, instance, pid, log }) => {
    const known = started.find((each) => each.pid === pid);
    const alive = known !== undefined && (await isSameProcess(pid, known.startTime));
    return {
      role,
      ...(node ? { node } : {}),
      ...(instance ? { instance } : {}),
      ...(alive ? { pid } : {}),
      state: alive ? 'unsupervised' : 'ended',
      restarts: 0,
      log,
    };
  });
  return { state: 'unsupervised', processes: await Promise.all(processes) };
}

const COLUMNS = [
  { title: 'role' },
  { title: 'node' },
  { title: 'pid', align: 'right' },
  { title: 'state' },
  { title: 'up', align: 'right' },
  { title: 'restarts', align: 'right' },
  { title: 'log' },
] as const;

function page(info: ClusterInfo, now: Pick<ClusterStatus, 'processes'>, group: GroupView): string {
  const rows = now.processes.map((process) => [
    process.role,
    process.node ?? process.instance ?? '',
    `${process.pid ?? '-'}`,
    colour(process),
    process.uptimeMs === undefined ? '' : formatMs(process.uptimeMs),
    `${process.restarts}`,
    process.log,
  ]);
  const places: [string, string | undefined][] = [
    ['Web UI', info.temporal.ui],
    ['Temporal', `${info.temporal.address} (namespace ${info.temporal.namespace})`],
    ['Postgres', info.postgres.url.replace(/:[^:@/]*@/, '@')],
    ['Nuwa', `${info.nuwa.kuafu.join(', ')}; ${leaderOf(group)}`],
    ['ZooKeeper', info.nuwa.zookeeper.join(',') || undefined],
    ['Grafana', info.grafana],
    ['Prometheus', info.prometheus],
    ['Alerts', info.alertmanager],
    ['admin key', info.admin.keyFile],
  ];
  const addresses = places.filter(([, place]) => place !== undefined).map(([what, place]) => `${what.padEnd(10)} ${place}`);
  return [renderTable(COLUMNS, rows), '', ...addresses].join('\n');
}

function leaderOf({ leader, term, servers }: GroupView): string {
  const silent = servers.filter(({ state }) => state === 'silent').map(({ id }) => id);
  const who = leader === undefined ? pc.red('nobody leads') : `${leader} leads in term ${term}`;
  return silent.length > 0 ? `${who}; ${pc.yellow(`no answer from ${silent.join(', ')}`)}` : who;
}

function colour({ state }: ProcessStatus): string {
  return state === 'ready' ? pc.green(state) : pc.yellow(state);
}
