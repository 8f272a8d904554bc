import { isDatabaseAway } from '../../base/database.ts';
import type { ServiceHandlers } from '../../kuafu/contract.ts';
import { unavailableWhile } from '../../kuafu/server.ts';
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
  const guard = unavailableWhile(isDatabaseAway, 'Postgres');
  const handle = <Request, Reply>(op: (context: MasterContext, request: Request) => Promise<Reply>) =>
    guard((request: Request) => op(context, request));
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
