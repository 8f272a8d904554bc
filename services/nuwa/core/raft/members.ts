import type { GroupConfig, GroupMember, MemberChange, ServerId } from './types.ts';

/** Group configurations as values. */
export function memberOf(config: GroupConfig, id: ServerId): GroupMember | undefined {
  return config.members.find((member) => member.id === id);
}

export function votersOf(config: GroupConfig): ServerId[] {
  return config.members.filter(({ role }) => role === 'voter').map(({ id }) => id);
}

/** The group after one change of one member (dissertation, section 4.1), or why there is no such change. */
export function changed(config: GroupConfig, change: MemberChange): GroupConfig | string {
  const { id } = change;
  const member = memberOf(config, id);
  if (change.kind === 'add') {
    if (member) return `${id} is a member already`;
    return withMember(config, { id, address: change.address, role: 'learner' });
  }
  if (!member) return `${id} is not a member`;
  if (change.kind === 'promote') {
    if (member.role === 'voter') return `${id} is a voter already`;
    return withMember(config, { ...member, role: 'voter' });
  }
  if (change.kind === 'move') {
    if (member.address === change.address) return `${id} answers at ${change.address} already`;
    return withMember(config, { ...member, address: change.address });
  }
  if (member.role === 'voter' && votersOf(config).length === 1) return `${id} is the only voter`;
  return { members: config.members.filter((each) => each.id !== id) };
}

function withMember(config: GroupConfig, member: GroupMember): GroupConfig {
  const members = [...config.members.filter(({ id }) => id !== member.id), member];
  return { members: members.sort((a, b) => (a.id < b.id ? -1 : 1)) };
}
