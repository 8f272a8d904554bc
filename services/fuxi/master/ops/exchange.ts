import type { FullExchange } from '../../core/pool.ts';
import { deficitOf, epochName, requesterKey } from '../../core/pool-state.ts';
import { whyNever } from '../../core/pool-why.ts';
import type { FuxiMaster } from '../master.ts';

/** A TaskMaster tells everything it wants and holds. Grants follow by signal. */
export function createExchange(master: FuxiMaster) {
  return async (exchange: FullExchange): Promise<{ epoch: string; held: number; waiting: number; never?: string }> => {
    master.handle({ kind: 'exchange', exchange });
    const requester = master.pool.requesters.get(requesterKey(exchange))!;
    const waiting = deficitOf(requester);
    const never = waiting > 0 ? whyNever(master.pool, requester) : undefined;
    return { epoch: epochName(master.pool), held: requester.containers.size, waiting, ...(never === undefined ? {} : { never }) };
  };
}
