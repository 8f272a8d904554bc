import { hasCode } from '../../base/errors.ts';
import type { ServiceHandlers } from '../../kuafu/contract.ts';
import type { nuwaService } from '../contract.ts';
import { assertOwnSession, type NuwaContext, submit } from './context.ts';

export function closeSession(nuwa: NuwaContext): ServiceHandlers<typeof nuwaService>['closeSession'] {
  return async ({ session }, { caller }) => {
    const { group } = nuwa;
    try {
      await assertOwnSession(nuwa, session, caller);
    } catch (error) {
      // One that is gone is gone, whoever it belonged to.
      if (hasCode(error, 'NoSession') && !group.state.sessions.has(session)) return { revision: group.state.revision };
      throw error;
    }
    const { revision } = await submit(nuwa, { kind: 'closeSession', session, why: 'closed' });
    return { revision };
  };
}
