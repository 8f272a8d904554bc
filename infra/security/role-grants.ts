import { type Capability, OPERATIONS } from '../../services/zhongkui/contract.ts';
import type { RoleName } from '../roles.ts';

/**
 * What each role may do, and no more: a pure table, so that it can be read as one. Who holds `peer` on a service is a part of it.
 */
type Grants = (at: (scheme: string, path?: string) => string) => Capability[];

/** All that serve by name keep a registration and a session, and follow revocations; the tree of Nuwa is open to whoever is somebody (design, section 7). */
const member: Grants = (at) => [
  { resource: at('nuwa'), operations: ['read', 'write'] },
  { resource: at('zhongkui', 'revoked'), operations: ['read'] },
];

const OF_ROLE: Record<RoleName, Grants> = {
  nuwa: (at) => [...member(at), { resource: at('nuwa'), operations: ['peer'] }],
  'pangu-master': (at) => [...member(at), { resource: at('pangu'), operations: ['peer'] }],
  'pangu-chunk': (at) => [...member(at), { resource: at('pangu'), operations: ['peer'] }],
  'fuxi-master': (at) => [...member(at), { resource: at('fuxi'), operations: ['peer'] }],
  'dayu-master': (at) => [
    ...member(at),
    { resource: at('pangu'), operations: ['read', 'write'] },
    { resource: at('dayu'), operations: ['peer'] },
  ],
  // It gives each attempt a part of what it holds (services/fuxi/tubo/attempt-identity.ts), revokes what it gave, and unpacks packages of jobs and services.
  tubo: (at) => [
    ...member(at),
    { resource: at('pangu'), operations: ['read', 'write'] },
    { resource: at('fuxi'), operations: ['read', 'run', 'peer'] },
    { resource: at('dayu'), operations: ['read', 'peer'] },
    { resource: at('zhongkui', 'revoked'), operations: ['write'] },
  ],
  worker: (at) => [
    ...member(at),
    { resource: at('pangu'), operations: ['read', 'write', 'admin'] },
    { resource: at('fuxi'), operations: ['read', 'write', 'run', 'admin'] },
    { resource: at('dayu'), operations: ['read', 'write', 'run', 'admin'] },
    { resource: at('zhongkui', 'revoked'), operations: ['write'] },
  ],
  shennong: (at) => [
    ...member(at),
    { resource: at('pangu'), operations: ['read'] },
    { resource: at('fuxi'), operations: ['read'] },
    { resource: at('dayu'), operations: ['read'] },
    { resource: at('shennong'), operations: ['peer'] },
  ],
  zhongkui: member,
  'kuafu-proxy': (at) => [...member(at), { resource: at('kuafu'), operations: ['peer'] }],
};

export function roleGrants(role: RoleName, cluster: string): Capability[] {
  return OF_ROLE[role]((scheme, path = '') => `${scheme}://${cluster}/${path}`);
}

/** Of a process that plays several: on each resource what any of them may. */
export function grantsOfAll(roles: readonly RoleName[], cluster: string): Capability[] {
  const all = roles.flatMap((role) => roleGrants(role, cluster));
  const resources = [...new Set(all.map(({ resource }) => resource))];
  return resources.map((resource) => ({
    resource,
    operations: OPERATIONS.filter((operation) => all.some((each) => each.resource === resource && each.operations.includes(operation))),
  }));
}

/** Everything, on every service: whoever made the cluster. */
export function adminGrants(cluster: string): Capability[] {
  const everything = ['pangu', 'nuwa', 'fuxi', 'dayu', 'shennong', 'zhongkui', 'kuafu'];
  return everything.map((scheme) => ({ resource: `${scheme}://${cluster}/`, operations: ['read', 'write', 'run', 'admin'] }));
}
