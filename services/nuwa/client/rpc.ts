import { systemClock } from '../../base/clock.ts';
import { hasCode } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { createKuafuClient } from '../../kuafu/client.ts';
import type { KuafuClient, ServiceClient } from '../../kuafu/contract.ts';
import type { Identity } from '../../kuafu/guard-contract.ts';
import { nuwaService } from '../contract.ts';

export type NuwaRpc = ServiceClient<typeof nuwaService>;

/**
 * A server that has not answered by then stands still, or is cut off from its group. A little more than two election timeouts: a server that
 * waits for a new leader answers by itself before, and another would know no better.
 */
export const TRY_TIMEOUT_MS = 2_500;

/**
 * A server that waits for its group answers pings all the same; one that does not answer any stands still. Found out within twice this, which is when the others
 * have a new leader if it was theirs, and not so soon that a busy machine takes every pause for a stop.
 */
const SILENCE_MS = 600;

/**
 * Nuwa's servers are known by configuration, so they make a service of fixed instances: Kuafu fails over between them and sends a call
 * again, with the same request number, until its deadline. One server is asked as long as it answers, so that connections stay few; a server
 * that can no longer write is left for one that can. `onSuspect`: a call failed at the server that was asked, and goes to another.
 */
export function connectServers(options: {
  addresses: readonly string[];
  cluster: string;
  identity?: Identity;
  log: Logger;
  onSuspect?: () => void;
}): {
  rpc: NuwaRpc;
  kuafu: KuafuClient;
} {
  const { onSuspect = () => {} } = options;
  const addresses = options.addresses.map((address) => (address.includes('://') ? address : `tcp://${address}`));
  const resolver = { resolve: async () => addresses, suspect: onSuspect };
  const kuafu = createKuafuClient({ resolver, identity: options.identity, log: options.log, silenceMs: SILENCE_MS });
  // An address may be held by a process that is no Nuwa by now: its server moved when it found the port taken.
  const service = { pick: 'one', tryTimeoutMs: TRY_TIMEOUT_MS, elsewhere: ['Unwritable', 'Unimplemented'] } as const;
  return { rpc: kuafu.service(nuwaService, `nuwa://${options.cluster}/nuwa/`, service), kuafu };
}

/** Whether the call failed for want of a server, so that trying again later makes sense. */
export function isOutage(error: unknown): boolean {
  return hasCode(error, 'Unavailable', 'DeadlineExceeded', 'Overloaded');
}

/** Whether it was refused for want of a right, which asking again does not bring. */
export function isRefusal(error: unknown): boolean {
  return hasCode(error, 'PermissionDenied', 'Unauthenticated');
}

/** Sleeps; wakes early, without an error, when the signal aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await systemClock.sleep(ms, signal).catch(() => {});
}
