import type { ServiceHandlers } from '../../kuafu/contract.ts';
import type { joinService } from '../join-contract.ts';
import { join } from './join.ts';
import type { JoinContext } from './join-context.ts';
import { renew } from './renew.ts';

export function joinHandlers(context: JoinContext): ServiceHandlers<typeof joinService> {
  return { join: join(context), renew: renew(context) };
}
