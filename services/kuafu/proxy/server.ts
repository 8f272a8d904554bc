import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createLogger, type Logger } from '../../base/log.ts';
import type { RoleConfig, RunningRole, StartRole } from '../../base/role.ts';
import { joinCluster } from '../../nuwa/client.ts';
import { HOSTS_ATTRIBUTE, PROXY_SERVICE } from '../proxy-contract.ts';
import { hostsOfMachine, ProxyDirectory } from './directory.ts';
import { startProxy } from './proxy.ts';

export const start: StartRole = (config) => startProxyRole(config);

export interface ProxyRoleOptions {
  /** @default those of the machine (`hostsOfMachine`) */
  hosts?: readonly string[];
  log?: Logger;
}

/** The proxy of a machine, known to the others by Nuwa. */
export async function startProxyRole(config: RoleConfig, options: ProxyRoleOptions = {}): Promise<RunningRole> {
  if (!config.node) throw new Error('role kuafu-proxy needs a node');
  const { cluster: name, nuwa, node, identity, guard = 'none' } = config;
  const { hosts = hostsOfMachine(), log = createLogger({ role: PROXY_SERVICE, node: node.id }) } = options;
  await mkdir(config.dataDir, { recursive: true });
  const local = config.proxy ?? `unix://${join(config.dataDir, 'proxy.sock')}`;
  const cluster = await joinCluster({ cluster: name, nuwa, creator: `${PROXY_SERVICE}/${node.id}`, identity, log });
  const directory = new ProxyDirectory(cluster.nuwa, node.id, log);
  const proxy = await startProxy({
    local,
    listen: config.listen,
    hosts,
    others: () => directory.others,
    guard,
    cluster: name,
    identity,
    log,
  });
  const registration = await cluster.nuwa.register(PROXY_SERVICE, node.id, {
    address: proxy.address,
    node: node.id,
    rack: node.rack,
    pid: process.pid,
    attributes: { [HOSTS_ATTRIBUTE]: hosts.join(',') },
  });

  const stop = async (): Promise<void> => {
    // Other proxies go around this one from here on.
    await registration.unregister().catch(() => {});
    await proxy.stop();
    await directory.close();
    await cluster.leave();
  };
  let stopped: Promise<void> | undefined;
  return { address: proxy.address, stop: () => (stopped ??= stop()) };
}
