import type { ServiceHandlers } from '../../kuafu/contract.ts';
import { NuwaError, type nuwaService } from '../contract.ts';
import type { MemberChange } from '../core/raft/types.ts';
import type { NuwaContext } from './context.ts';

export function changeMembers({ group }: NuwaContext): ServiceHandlers<typeof nuwaService>['changeMembers'] {
  return async ({ kind, id, address }) => {
    await group.changeMembers(changeOf(kind, id, address));
    return { members: [...group.status().config.members] };
  };
}

function changeOf(kind: MemberChange['kind'], id: string, address: string | undefined): MemberChange {
  if (kind === 'promote' || kind === 'remove') return { kind, id };
  if (!address) throw new NuwaError('BadMembers', `${kind} of ${id} needs its address`);
  return { kind, id, address };
}
