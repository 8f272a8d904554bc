import { hasCode } from '../../services/base/errors.ts';
import { ensureIdentity, ensureIssuer, keyDirectory, readTrustFile, writeTrustFile } from '../../services/zhongkui/client.ts';
import { ClusterError } from '../errors.ts';
import { isRoleName, ROLE_NAMES, ROLE_NEEDS, type RoleName } from '../roles.ts';
import { inKeys } from './keys-lock.ts';
import { adminGrants, grantsOfAll } from './role-grants.ts';

/**
 * The keys of a deployment: what a local cluster's launcher does at each start (cluster/identities.ts), for machines that no launcher knows. Every process gets a key of
 * its own with a token that says what its roles may do. Made again it changes nothing, but for tokens that are past half of their life or say something else.
 */
export interface KeyedProcess {
  /** Behind `service/`: `worker`, `nuwa/nuwa-1`, `node/m1`. */
  readonly name: string;
  readonly roles: readonly RoleName[];
}

export interface Deployment {
  /** Each has a process of its own, or one for both of its roles. */
  nodes?: readonly string[];
  /** Names in the group. @default one key for whatever server there is */
  nuwaServers?: readonly string[];
  /** Roles that share a process, by its name. */
  together?: Readonly<Record<string, readonly string[]>>;
}

const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** Errors: BadConfig, with all that is wrong. */
export function processesOf({ nodes = [], nuwaServers = [], together = {} }: Deployment): KeyedProcess[] {
  const ofNodes = ROLE_NAMES.filter((role) => ROLE_NEEDS[role].node);
  const problems = [...nodes, ...nuwaServers, ...Object.keys(together)]
    .filter((name) => !NAME.test(name))
    .map((name) => `${JSON.stringify(name)} is no name: lower-case letters, digits and dashes`);
  for (const [name, roles] of Object.entries(together)) {
    if (isRoleName(name) || name === 'node') problems.push(`${name} is the name of a role: call the process something else`);
    problems.push(...roles.filter((role) => !isRoleName(role)).map((role) => `${name} plays ${role}, which is no role`));
    if (roles.includes('zhongkui')) problems.push('zhongkui plays alone');
  }
  if (problems.length > 0) throw new ClusterError('BadConfig', problems.join('; '));
  const alone = ROLE_NAMES.filter((role) => !ROLE_NEEDS[role].node && !(role === 'nuwa' && nuwaServers.length > 0));
  return [
    ...alone.map((role) => ({ name: role, roles: [role] })),
    ...nuwaServers.map((id) => ({ name: `nuwa/${id}`, roles: ['nuwa'] as const })),
    ...nodes.map((id) => ({ name: `node/${id}`, roles: ofNodes })),
    ...Object.entries(together).map(([name, roles]) => ({ name, roles: roles as RoleName[] })),
  ];
}

export interface RoleKeysOptions {
  /** Where the issuer's key, the administrator's and the records are. */
  keys: string;
  /** Where the processes' keys go, with what says whom to trust and without the issuer's. @default beside it */
  out?: string;
  cluster: string;
  processes: readonly KeyedProcess[];
  ttlMs: number;
  /** Put what says whom to trust in the place of something else. @default false */
  force?: boolean;
}

export interface RoleKeys {
  trustFile: string;
  adminFile: string;
  identities: { name: string; roles: readonly RoleName[]; file: string }[];
}

/** Errors: KeyExists (the keys are another cluster's), KeyUnsafe, TokenRevoked. */
export function ensureRoleKeys(options: RoleKeysOptions, nowMs: number): Promise<RoleKeys> {
  return inKeys(options.keys, () => ensureAll(options, nowMs));
}

async function ensureAll(
  { keys: path, out = path, cluster, processes, ttlMs, force = false }: RoleKeysOptions,
  nowMs: number,
): Promise<RoleKeys> {
  const keys = keyDirectory(path);
  const target = keyDirectory(out);
  const issuer = await ensureIssuer(keys, cluster);
  const ensure = (file: string, name: string, capabilities: ReturnType<typeof adminGrants>): Promise<string> =>
    ensureIdentity(issuer, file, { name, capabilities, ttlMs }, nowMs);
  const adminFile = await ensure(keys.fileOf('user/admin'), 'user/admin', adminGrants(cluster));
  // First whom to trust: a token that nobody trusts yet is worth nothing.
  if (target.path !== keys.path) {
    if (!force) await assertOurs(target.trustFile, cluster);
    await writeTrustFile(target.trustFile, await readTrustFile(keys.trustFile));
  }
  const identities = [];
  for (const { name, roles } of processes) {
    const full = `service/${name}`;
    identities.push({ name: full, roles, file: await ensure(target.fileOf(full), full, grantsOfAll(roles, cluster)) });
  }
  return { trustFile: target.trustFile, adminFile, identities };
}

/** What was brought here before by the same cluster is brought again; anything else stays. */
async function assertOurs(trustFile: string, cluster: string): Promise<void> {
  const found = await readTrustFile(trustFile).catch((error: unknown) => {
    if (hasCode(error, 'NoSuchKey')) return undefined;
    if (hasCode(error, 'KeyMalformed')) return { cluster: undefined };
    throw error;
  });
  if (found && found.cluster !== cluster)
    throw new ClusterError('BadConfig', `${trustFile} is there already, and not of cluster ${cluster}: --force replaces it`);
}
