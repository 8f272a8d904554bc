import { isDatabaseAway } from '../../base/database.ts';
import { messageOf } from '../../base/errors.ts';
import { KuafuError, type ServiceHandlers } from '../../kuafu/contract.ts';
import type { dayuMasterService } from '../contract.ts';
import type { MasterContext } from './context.ts';
import { application } from './ops/application.ts';
import { applications } from './ops/applications.ts';
import { beginRollout } from './ops/begin-rollout.ts';
import { configure } from './ops/configure.ts';
import { endRollout } from './ops/end-rollout.ts';
import { history } from './ops/history.ts';
import { place } from './ops/place.ts';
import { registerRelease } from './ops/register-release.ts';

export function masterHandlers(context: MasterContext): ServiceHandlers<typeof dayuMasterService> {
  const handle =
    <Request, Reply>(op: (context: MasterContext, request: Request) => Promise<Reply>) =>
    async (request: Request): Promise<Reply> => {
      try {
        return await op(context, request);
      } catch (error) {
        if (!isDatabaseAway(error)) throw error;
        // Every call may be sent again, so whether this one ran does not matter: `notRun` lets Kuafu try until the caller's deadline.
        throw new KuafuError('Unavailable', `Postgres is away: ${messageOf(error)}`, { cause: error, details: { notRun: true } });
      }
    };
  return {
    registerRelease: handle(registerRelease),
    applications: handle(applications),
    application: handle(application),
    configure: handle(configure),
    history: handle(history),
    beginRollout: handle(beginRollout),
    place: handle(place),
    endRollout: handle(endRollout),
  };
}
