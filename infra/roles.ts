import type { StartRole } from '../services/base/role.ts';

/** Every role a process can be asked to play, loaded only where it is played. */
const ROLES = {
  nuwa: async () => (await import('../services/nuwa/server.ts')).start,
  'pangu-master': async () => (await import('../services/pangu/master/server.ts')).start,
  'pangu-chunk': async () => (await import('../services/pangu/chunk/server.ts')).start,
  'fuxi-master': async () => (await import('./fuxi-master.ts')).start,
  'dayu-master': async () => (await import('./dayu-master.ts')).start,
  tubo: async () => (await import('./tubo.ts')).start,
  worker: async () => (await import('./worker.ts')).start,
  shennong: async () => (await import('./shennong.ts')).start,
  zhongkui: async () => (await import('../services/zhongkui/server.ts')).start,
  'kuafu-proxy': async () => (await import('../services/kuafu/proxy/server.ts')).start,
} as const satisfies Record<string, () => Promise<StartRole>>;

/** Those that a cluster does without unless somebody wants them. */
export const OPTIONAL_ROLES: readonly RoleName[] = ['kuafu-proxy'];

export type RoleName = keyof typeof ROLES;

export const ROLE_NAMES = Object.keys(ROLES) as RoleName[];

export function isRoleName(name: string): name is RoleName {
  return Object.hasOwn(ROLES, name);
}

export function loadRole(name: RoleName): Promise<StartRole> {
  return ROLES[name]();
}

/** What a role can't do without, beyond a directory. */
export interface RoleNeeds {
  /** Belongs to one machine. */
  node?: boolean;
  /** Keeps tables. */
  database?: boolean;
  temporal?: boolean;
  /** Finds others, or is found, through Nuwa. */
  nuwa?: boolean;
}

export const ROLE_NEEDS: Readonly<Record<RoleName, RoleNeeds>> = {
  nuwa: {},
  'pangu-master': { nuwa: true, database: true },
  'pangu-chunk': { nuwa: true, node: true },
  'fuxi-master': { nuwa: true, temporal: true },
  'dayu-master': { nuwa: true, database: true, temporal: true },
  tubo: { nuwa: true, node: true, temporal: true },
  worker: { nuwa: true, temporal: true },
  shennong: { nuwa: true, database: true, temporal: true },
  // It is found through Nuwa by machines that renew their certificates, and waits for nobody: those that are to be Nuwa's get theirs from it.
  zhongkui: { nuwa: true },
  'kuafu-proxy': { nuwa: true, node: true },
};
