import type { ServiceHandlers } from '../../kuafu/contract.ts';
import type { nuwaService } from '../contract.ts';
import type { NuwaContext } from './context.ts';

export function transferLeadership({ group }: NuwaContext): ServiceHandlers<typeof nuwaService>['transferLeadership'] {
  return async ({ to }) => {
    await group.transferLeadership(to);
    return { leader: to };
  };
}
