import type { ServiceHandlers } from '../../kuafu/contract.ts';
import type { nuwaService } from '../contract.ts';
import type { NuwaContext } from './context.ts';

export function closeSession(nuwa: NuwaContext): ServiceHandlers<typeof nuwaService>['closeSession'] {
  return async ({ session }) => {
    const { revision } = await nuwa.replica.submit({ kind: 'closeSession', session, why: 'closed' });
    return { revision };
  };
}
