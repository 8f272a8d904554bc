import { type Command, Option } from 'commander';
import { createLogger } from '../../../services/base/log.ts';
import type { RoleConfig, RunningRole } from '../../../services/base/role.ts';
import { useProxy } from '../../../services/kuafu/client.ts';
import { tellKuafu } from '../../../services/kuafu/tell.ts';
import { type MetricsEndpoint, startMetricsEndpoint } from '../../../services/shennong/endpoint/server.ts';
import type { ReadyMessage } from '../../cluster/process-run.ts';
import { type RoleFlags, roleConfigs } from '../../config.ts';
import { isRoleName, loadRole, ROLE_NAMES, type RoleName } from '../../roles.ts';
import { openMachineTls, renewThroughNuwa } from '../../security/machine-tls.ts';
import { openSecurity } from '../../security/process-security.ts';
import { action, UsageError } from '../ui/action.ts';

/** A role that has not stopped by then is not going to; whoever waits for us would kill us soon. */
const STOP_MS_MAX = 10_000;

export function register(program: Command): void {
  program
    .command('run')
    .description('play roles in this process, in the foreground, until SIGTERM or SIGINT')
    .argument('<role...>', `one or several of ${ROLE_NAMES.join(', ')}`)
    .option('--cluster <name>', 'name of the cluster (FEITIAN_CLUSTER)')
    .option('--node <id>', 'the machine this is, for roles that belong to one (FEITIAN_NODE)')
    .option('--rack <name>', 'its rack (FEITIAN_RACK)')
    .option('--machine <name>', 'what it runs on, where several nodes share one: their copies count as one place (FEITIAN_MACHINE)')
    .option(
      '--disk <directory>',
      'of a chunk server, once for each disk: where it keeps chunks (FEITIAN_DISKS, with commas between)',
      joined,
    )
    .option('--data <directory>', 'where the role keeps its files (FEITIAN_DATA)')
    .option('--listen <tcp://host:port>', 'where it answers calls, tls:// with a certificate; port 0 is any free one (FEITIAN_LISTEN)')
    .option('--nuwa <addresses>', 'the Nuwa servers, with commas between (FEITIAN_NUWA)')
    .option('--database <url>', 'Postgres (FEITIAN_DATABASE_URL)')
    .option('--metrics <host:port>', 'where this process tells its metrics; port 0 is any free one (FEITIAN_METRICS)')
    .option('--http <host:port>', 'where a role that speaks HTTP listens; port 0 is any free one (FEITIAN_HTTP)')
    .option('--http-token <file>', 'a token that whoever asks by HTTP shows, for metrics too (FEITIAN_HTTP_TOKEN_FILE)')
    .option('--identity <file>', 'key and token of this process (FEITIAN_IDENTITY)')
    .option('--trust <file>', 'whose tokens count (FEITIAN_TRUST)')
    .option('--tls-certificate <file>', 'certificate of this machine: Kuafu speaks TLS only (FEITIAN_TLS_CERTIFICATE)')
    .option('--tls-key <file>', 'the key of that certificate (FEITIAN_TLS_KEY)')
    .option('--insecure', 'ask nobody who calls, and call as nobody, in plain (FEITIAN_INSECURE=on)')
    .option('--nuwa-id <name>', 'of a Nuwa server: which one of its group it is (FEITIAN_NUWA_ID)')
    .option(
      '--nuwa-members <name=tcp://host:port,…>',
      'the servers that its group begins with; none for one that is added to a group that is there (FEITIAN_NUWA_MEMBERS)',
    )
    .option('--nuwa-lease-reads <on|off>', 'answer reads by lease, on all servers of the group or on none (FEITIAN_NUWA_LEASE_READS)')
    .option('--zookeeper <host:port>', 'where it speaks the ZooKeeper protocol; port 0 is any free one (FEITIAN_ZOOKEEPER)')
    .option('--proxy <unix:///path>', "this machine's proxy of calls: what it listens at, or what other roles call through (FEITIAN_PROXY)")
    .option(
      '--require-submitter',
      'of a worker: jobs must say who submits them, and name only inputs and outputs that one may touch (programs are not locked in) (FEITIAN_REQUIRE_SUBMITTER=on)',
    )
    .option('--cpu <number>', 'processors that a node offers for containers (FEITIAN_CPU)')
    .option('--memory <MiB>', 'memory that a node offers for containers (FEITIAN_MEMORY_MIB)')
    .addOption(new Option('--json', 'has no effect here: logs are JSON').hideHelp())
    .addHelpText('after', '\nTemporal: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY and the TLS settings of every Temporal SDK.')
    .action(action(run));
}

async function run(names: string[], flags: RoleFlags): Promise<void> {
  const unknown = names.filter((name) => !isRoleName(name));
  if (unknown.length > 0) throw new UsageError(`no such role: ${unknown.join(', ')}; there are ${ROLE_NAMES.join(', ')}`);
  const roles = [...new Set(names)] as RoleName[];
  const configs = await roleConfigs(roles, flags, process.env);
  const log = createLogger({ role: roles.join('+'), ...(configs[0]?.node ? { node: configs[0].node.id } : {}) });

  const { cluster, nuwa: nuwaServers, security: given, proxy } = configs[0]!;
  // A proxy reaches others by itself.
  if (proxy && !roles.includes('kuafu-proxy')) useProxy(proxy);
  const creator = `feitian run ${roles.join(' ')}`;
  const startsFirst = roles.includes('nuwa') || roles.includes('zhongkui');
  const machine = given?.tls ? await openMachineTls(given.tls, { log }) : undefined;
  const security = given ? await openSecurity({ cluster, security: given, nuwa: nuwaServers, startsFirst, creator, log }) : undefined;
  if (!security) log.warn({}, 'role.insecure');

  const running: RunningRole[] = [];
  let metrics: MetricsEndpoint | undefined;
  /** `why`: it is over by itself, and that is the last that it says. */
  const stop = async (signal: string, why?: string): Promise<void> => {
    log.info({ signal }, 'role.stopping');
    setTimeout(() => {
      log.error({ afterMs: STOP_MS_MAX }, 'role.stop_timed_out');
      process.exit(1);
    }, STOP_MS_MAX);
    await metrics?.stop();
    // Last started, first stopped.
    for (const role of running.toReversed()) await role.stop();
    await security?.close();
    await machine?.close();
    log.info({}, 'role.stopped');
    if (why !== undefined) process.stderr.write(`feitian: ${why}\n`);
    process.exit(why === undefined ? 0 : 1);
  };
  const begin = (signal: string, why?: string): void => {
    stop(signal, why).catch((error) => {
      log.error({ error }, 'role.stop_failed');
      process.exit(1);
    });
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => begin(signal));

  for (const [index, role] of roles.entries()) {
    const start = await loadRole(role);
    const started = await start({ ...configs[index]!, guard: security?.guard, identity: security?.identity });
    running.push(started);
    void started.over?.then((why) => begin('over', why));
  }
  const address = running.find((role) => role.address)?.address;
  log.info({ address, startMs: Math.round(performance.now()) }, 'role.ready');
  const message: ReadyMessage = { kind: 'ready', ...(address ? { address } : {}) };
  if (process.connected) process.send?.(message, () => {}); // a launcher that is gone need not know
  tellKuafu();
  const addresses = nuwaOf(roles, configs, running);
  if (security) machine?.renewBy(renewThroughNuwa({ cluster, nuwa: addresses, creator, identity: security.identity, log }));
  metrics = startMetricsEndpoint({
    ...configs[0]!,
    listen: configs[0]!.metrics!,
    nuwa: addresses,
    client: security && (() => security.followAt(addresses)),
    role: roles.join('+'),
    log,
  });
}

/** Nuwa's own process finds itself, and the rest of its group. */
function nuwaOf(roles: RoleName[], configs: RoleConfig[], running: RunningRole[]): string[] {
  const at = roles.indexOf('nuwa');
  const own = running[at]?.address;
  if (configs[0]!.nuwa.length > 0 || !own) return configs[0]!.nuwa;
  const { id, members = [] } = configs[at]!.nuwaServer ?? {};
  return [own, ...members.filter((member) => member.id !== id).map(({ address }) => address)];
}

function joined(text: string, before?: string): string {
  return before === undefined ? text : `${before},${text}`;
}
