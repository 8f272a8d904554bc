import type { KuafuClient, ServiceClient } from '../../kuafu/contract.ts';
import { MASTER_SERVICE, type MasterContract, masterService } from '../master-contract.ts';

/**
 * How long a call to the masters goes on trying. Every call may be sent again, so Kuafu does that by itself until this is over;
 * a master that was killed is back, or out of Nuwa's list, in a third of it.
 */
export const MASTER_TIMEOUT_MS = 30_000;

export type Masters = ServiceClient<MasterContract>;

export function connectMasters(kuafu: KuafuClient, cluster: string): Masters {
  const service = kuafu.service(masterService, `nuwa://${cluster}/${MASTER_SERVICE}/`);
  const patient: Record<string, unknown> = {};
  for (const name of Object.keys(masterService.methods) as (keyof Masters)[]) {
    patient[name] = (request: never, options = {}) => service[name](request, { timeoutMs: MASTER_TIMEOUT_MS, ...options });
  }
  return patient as Masters;
}
