import { NuwaError } from '../contract.ts';
import type { Group } from './group.ts';

/** What only the leader does was asked of another server. */
export function notLeader(group: Group): NuwaError {
  const { id, leader } = group;
  const address = leader === undefined ? undefined : group.addressOf(leader);
  const known = leader === undefined ? 'no leader is known' : `${leader} leads, at ${address}`;
  return new NuwaError('NotLeader', `${id} does not lead; ${known}`, { details: { leader, address } });
}
