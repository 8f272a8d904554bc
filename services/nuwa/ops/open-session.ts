import type { ServiceHandlers } from '../../kuafu/contract.ts';
import type { nuwaService } from '../contract.ts';
import type { NuwaContext } from './context.ts';

export function openSession(nuwa: NuwaContext): ServiceHandlers<typeof nuwaService>['openSession'] {
  return async ({ session, ttlMs, creator }) => {
    const { revision } = await nuwa.replica.submit({ kind: 'openSession', session, ttlMs, creator });
    nuwa.sessions.touch(nuwa.replica.state, session, nuwa.clock.monotonicMs());
    return { revision };
  };
}
