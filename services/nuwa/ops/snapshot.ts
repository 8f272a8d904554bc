import type { ServiceHandlers } from '../../kuafu/contract.ts';
import type { nuwaService } from '../contract.ts';
import type { NuwaContext } from './context.ts';

export function snapshot({ group }: NuwaContext): ServiceHandlers<typeof nuwaService>['snapshot'] {
  return async ({ fresh }) => {
    if (fresh && group.snapshots.newest().index < group.state.index) await group.snapshots.make();
    return group.snapshots.newest();
  };
}
