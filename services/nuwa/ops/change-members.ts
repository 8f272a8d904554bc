import type { ServiceHandlers } from '../../kuafu/contract.ts';
import { NuwaError, type nuwaService } from '../contract.ts';
import type { MemberChange } from '../core/raft/types.ts';
import { askConsent } from '../group/consent.ts';
import { look, type NuwaContext } from './context.ts';

export function changeMembers(nuwa: NuwaContext): ServiceHandlers<typeof nuwaService>['changeMembers'] {
  const { group } = nuwa;
  return async ({ kind, id, address }) => {
    const change = changeOf(kind, id, address);
    if (kind === 'promote') await consented(nuwa, id);
    await group.changeMembers(change);
    return { members: [...group.status().config.members] };
  };
}

/** By a leader that surely leads: what it knows of the group is what the group is. */
async function consented(nuwa: NuwaContext, id: string): Promise<void> {
  if (nuwa.group.leader !== nuwa.group.id) return; // refused as such
  await look(nuwa, false, () => {});
  await askConsent(nuwa.group, id);
}

const ID = /^[a-z0-9][a-z0-9-]{0,62}$/;
const ADDRESS = /^(?:tcp|tls):\/\/(\[[0-9a-fA-F:.]+\]|[^/:[\]\s]+):(\d{1,5})$/;

/** What goes into the log is there on every server for good: a name or an address that is none must not get that far. */
function changeOf(kind: MemberChange['kind'], id: string, address: string | undefined): MemberChange {
  if (kind === 'promote' || kind === 'remove') return { kind, id };
  if (!ID.test(id))
    throw new NuwaError('BadMembers', `${JSON.stringify(id)} is no name of a server: lower-case letters, digits and dashes`);
  if (!address) throw new NuwaError('BadMembers', `${kind} of ${id} needs its address`);
  const port = Number(ADDRESS.exec(address)?.[2] ?? 0);
  if (port < 1 || port > 65_535)
    throw new NuwaError('BadMembers', `${address} is not where a server can answer: tcp://host:port or tls://host:port is`);
  return { kind, id, address };
}
