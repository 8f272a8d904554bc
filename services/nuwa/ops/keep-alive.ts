import type { ServiceHandlers } from '../../kuafu/contract.ts';
import { NuwaError, type nuwaService } from '../contract.ts';
import { type NuwaContext, unavailable } from './context.ts';

export function keepAlive({ group }: NuwaContext): ServiceHandlers<typeof nuwaService>['keepAlive'] {
  return ({ session }) =>
    new Promise((resolve, reject) => {
      group.keepAlive(session, (lives) => {
        if (lives) resolve({ revision: group.state.revision });
        else reject(lives === undefined ? unavailable(group) : new NuwaError('NoSession', `session ${session} is unknown or expired`));
      });
    });
}
