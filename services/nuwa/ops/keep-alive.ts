import type { ServiceHandlers } from '../../kuafu/contract.ts';
import { NuwaError, type nuwaService } from '../contract.ts';
import { assertOwnSession, type NuwaContext, unavailable } from './context.ts';

export function keepAlive(nuwa: NuwaContext): ServiceHandlers<typeof nuwaService>['keepAlive'] {
  const { group } = nuwa;
  return async ({ session }, { caller }) => {
    const asking = assertOwnSession(nuwa, session, caller);
    if (asking) await asking;
    return await new Promise((resolve, reject) => {
      group.keepAlive(session, (lives) => {
        if (lives) resolve({ revision: group.state.revision });
        else reject(lives === undefined ? unavailable(group) : new NuwaError('NoSession', `session ${session} is unknown or expired`));
      });
    });
  };
}
