import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type ClusterInfo, type StartOptions, type Step, startCluster } from '../../cluster/launch.ts';
import { action, print, printJson, UsageError } from '../ui/action.ts';
import { colors as pc } from '../ui/colors.ts';
import { formatMs } from '../ui/units.ts';
import { type VerbOptions, verb } from '../ui/verb.ts';

interface Flags extends VerbOptions {
  name?: string;
  nodes?: number;
  racks?: number;
  disks?: number | string[];
  cpuPerNode?: number;
  memoryPerNode?: number;
  postgresPort?: number;
  temporalPort?: number;
  uiPort?: number;
  nuwaServers?: '1' | '3' | '5';
  nuwaPort?: number;
  zookeeperPort?: number;
  prometheusPort?: number;
  grafanaPort?: number;
  monitoring: boolean;
  tls?: true;
  requireSubmitter?: true;
  together?: true;
}

const NUWA_SERVERS = { 1: 1, 3: 3, 5: 5 } as const;

export function register(program: Command): void {
  verb(
    program,
    'up',
    'start a local cluster in the background, and return when it is ready',
    'feitian up',
    'feitian up --nodes 6 --racks 3 --ui-port 8233',
  )
    .option('--name <name>', 'its name, as in pangu://<name>/; what a directory began with, it keeps (default: local)')
    .option('--nodes <count>', 'machines it plays', wholeNumber, 4)
    .option('--racks <count>', 'racks they stand in', wholeNumber, 2)
    .option(
      '--disks <count or directories>',
      'disks of each node: so many directories, or one below each of these, with commas between (default: those it had, or one)',
      countOrDirectories,
    )
    .option('--cpu-per-node <count>', 'processors a node offers for containers (default: what this machine has, shared out)', positive)
    .option(
      '--memory-per-node <MiB>',
      'memory a node offers for containers (default: half of what this machine has, shared out)',
      wholeNumber,
    )
    .option('--postgres-port <port>', 'instead of a free one', wholeNumber)
    .option('--temporal-port <port>', 'instead of a free one', wholeNumber)
    .option('--ui-port <port>', "of Temporal's Web UI, instead of a free one", wholeNumber)
    .addOption(
      new Option(
        '--nuwa-servers <count>',
        'servers of the coordination service; what a directory began with, it keeps (default: 3)',
      ).choices(['1', '3', '5']),
    )
    .option('--nuwa-port <port>', 'of the first Nuwa server, instead of a free one', wholeNumber)
    .option('--zookeeper-port <port>', 'where it speaks the ZooKeeper protocol, instead of a free one', wholeNumber)
    .option('--prometheus-port <port>', 'instead of a free one', wholeNumber)
    .option('--grafana-port <port>', 'instead of a free one', wholeNumber)
    .option('--no-monitoring', 'without Prometheus, Alertmanager and Grafana; otherwise those of them that are on PATH are started')
    .option('--tls', 'its processes speak TLS with each other; a directory keeps what it began with')
    .option(
      '--require-submitter',
      'jobs must say who submits them, and name only inputs and outputs that one may touch (programs are not locked in); to be said at each up',
    )
    .option('--together', 'one process for all masters and one for each node, not one for each role: up sooner, in less memory')
    .addHelpText('after', '\nFEITIAN_DATABASE_URL and TEMPORAL_ADDRESS name servers to use instead of starting some.')
    .action(action(up));
}

async function up(flags: Flags): Promise<void> {
  const startedMs = performance.now();
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      console.error('stopping what was started …');
      interrupted.abort();
    });
  }
  // What a person reads goes beside what a program reads.
  const say = flags.json ? console.error : print;
  const options: StartOptions = {
    dir: flags.dir,
    name: flags.name,
    nodes: flags.nodes,
    racks: Math.min(flags.racks ?? 2, flags.nodes ?? 4),
    disks: flags.disks,
    nuwaServers: flags.nuwaServers && NUWA_SERVERS[flags.nuwaServers],
    cpuPerNode: flags.cpuPerNode,
    memoryMiBPerNode: flags.memoryPerNode,
    ports: {
      postgres: flags.postgresPort,
      temporal: flags.temporalPort,
      temporalUi: flags.uiPort,
      nuwa: flags.nuwaPort,
      zookeeper: flags.zookeeperPort,
      prometheus: flags.prometheusPort,
      grafana: flags.grafanaPort,
    },
    monitoring: flags.monitoring,
    tls: flags.tls,
    requireSubmitter: flags.requireSubmitter,
    together: flags.together,
    signal: interrupted.signal,
    onStep: (step) => say(stepLine(step)),
  };
  try {
    const cluster = await startCluster(options);
    const { info } = cluster;
    if (flags.tls && !info.tls)
      throw new UsageError(`a cluster without TLS is up in ${cluster.dir}: it keeps to that. --dir begins another`);
    if (flags.requireSubmitter && !info.requireSubmitter)
      throw new UsageError(`a cluster that asks nobody who submits is up in ${cluster.dir}: take it down first`);
    if (cluster.wasUp) say(`a cluster is up in ${cluster.dir} already`);
    else say(`ready after ${formatMs(performance.now() - startedMs)}`);
    if (flags.json) printJson(info);
    else say(addresses(info, cluster.dir));
    process.exit(0);
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
    console.error('stopped; nothing is left running');
    process.exit(130); // as a shell says it of Ctrl-C
  }
}

export function stepLine({ step, ms, detail, leftOut }: Step): string {
  if (leftOut) return `  ${pc.yellow('–')} ${step.padEnd(18)} ${''.padStart(7)}  ${pc.dim(detail ?? '')}`;
  return `  ${pc.green('✓')} ${step.padEnd(18)} ${formatMs(ms).padStart(7)}${detail ? `  ${pc.dim(detail)}` : ''}`;
}

function addresses({ name, temporal, nuwa, nodes, grafana, prometheus, alertmanager }: ClusterInfo, dir: string): string {
  const racks = new Set(nodes.map(({ rack }) => rack)).size;
  return [
    `  cluster   ${name}: ${count(nodes.length, 'node')} in ${count(racks, 'rack')}, in ${dir}`,
    ...(temporal.ui ? [`  Web UI    ${pc.cyan(temporal.ui)}`] : []),
    `  Temporal  ${temporal.address}, namespace ${temporal.namespace}`,
    ...(nuwa.zookeeper.length > 0 ? [`  ZooKeeper ${nuwa.zookeeper.join(',')}`] : []),
    ...(grafana ? [`  Grafana   ${pc.cyan(grafana)}`] : []),
    ...(prometheus ? [`  Metrics   ${pc.cyan(prometheus)} (Prometheus)`] : []),
    ...(alertmanager ? [`  Alerts    ${pc.cyan(alertmanager)} (Alertmanager)`] : []),
  ].join('\n');
}

const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`;

function wholeNumber(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('Must be a whole number above 0.');
  return number;
}

/** Resolved here: the launcher may stand elsewhere. */
function countOrDirectories(text: string): number | string[] {
  if (/^\d+$/.test(text)) return wholeNumber(text);
  return text.split(',').map((part) => resolve(part.trim()));
}

function positive(text: string): number {
  const number = Number(text);
  if (!(number > 0)) throw new InvalidArgumentError('Must be a number above 0.');
  return number;
}
