import type { ServiceHandlers } from '../../kuafu/contract.ts';
import { NuwaError, type nuwaService } from '../contract.ts';
import type { NuwaContext } from './context.ts';

export function keepAlive(nuwa: NuwaContext): ServiceHandlers<typeof nuwaService>['keepAlive'] {
  return async ({ session }) => {
    const { state } = nuwa.replica;
    const lives = nuwa.sessions.touch(state, session, nuwa.clock.monotonicMs());
    if (!lives) throw new NuwaError('NoSession', `session ${session} is unknown or expired`);
    return { revision: state.revision };
  };
}
