import type { ServiceHandlers } from '../../kuafu/contract.ts';
import type { nuwaService } from '../contract.ts';
import { holderOf, type NuwaContext, submit } from './context.ts';

export function openSession(nuwa: NuwaContext): ServiceHandlers<typeof nuwaService>['openSession'] {
  return async ({ session, ttlMs, creator }, { caller }) => {
    const { revision } = await submit(nuwa, { kind: 'openSession', session, ttlMs, creator, ...holderOf(caller) });
    return { revision };
  };
}
