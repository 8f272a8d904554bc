import { systemClock } from '../../base/clock.ts';
import { hasCode } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { createKuafuClient } from '../../kuafu/client.ts';
import type { KuafuClient, ServiceClient } from '../../kuafu/contract.ts';
import { nuwaService } from '../contract.ts';

export type NuwaRpc = ServiceClient<typeof nuwaService>;

/**
 * Nuwa's servers are known by configuration, so they make a service of fixed instances: Kuafu then fails over between them and
 * sends a call again, with the same request number, until its deadline.
 */
export function connectServers(options: { addresses: readonly string[]; cluster: string; log: Logger }): {
  rpc: NuwaRpc;
  kuafu: KuafuClient;
} {
  const addresses = options.addresses.map((address) => (address.includes('://') ? address : `tcp://${address}`));
  const resolver = { resolve: async () => addresses, suspect: () => {} };
  const kuafu = createKuafuClient({ resolver, log: options.log });
  return { rpc: kuafu.service(nuwaService, `nuwa://${options.cluster}/nuwa/`), kuafu };
}

/** Whether the call failed for want of a server, so that trying again later makes sense. */
export function isOutage(error: unknown): boolean {
  return hasCode(error, 'Unavailable', 'DeadlineExceeded', 'Overloaded');
}

/** Sleeps; wakes early, without an error, when the signal aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await systemClock.sleep(ms, signal).catch(() => {});
}
