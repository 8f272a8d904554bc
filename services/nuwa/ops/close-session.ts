import type { ServiceHandlers } from '../../kuafu/contract.ts';
import type { nuwaService } from '../contract.ts';
import { type NuwaContext, submit } from './context.ts';

export function closeSession(nuwa: NuwaContext): ServiceHandlers<typeof nuwaService>['closeSession'] {
  return async ({ session }) => {
    const { revision } = await submit(nuwa, { kind: 'closeSession', session, why: 'closed' });
    return { revision };
  };
}
