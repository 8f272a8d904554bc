import { availableParallelism, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import type { RoleConfig } from '../services/base/role.ts';
import type { SecurityConfig } from '../services/zhongkui/contract.ts';
import { ClusterError } from './errors.ts';
import { ROLE_NEEDS, type RoleName, type RoleNeeds } from './roles.ts';
import { type Environment, temporalFromEnvironment } from './temporal-config.ts';

/**
 * What a role is told, from the environment and from the flags of `feitian run`, which win. Read in one place, once, and checked, so that a role
 * that starts has all that it needs and one that can't start says every reason at once.
 */

export interface RoleFlags {
  cluster?: string;
  node?: string;
  rack?: string;
  machine?: string;
  disk?: string;
  data?: string;
  listen?: string;
  nuwa?: string;
  database?: string;
  metrics?: string;
  http?: string;
  httpToken?: string;
  identity?: string;
  trust?: string;
  tlsCertificate?: string;
  tlsKey?: string;
  insecure?: boolean | string;
  nuwaId?: string;
  nuwaMembers?: string;
  zookeeper?: string;
  nuwaLeaseReads?: string;
  proxy?: string;
  requireSubmitter?: boolean | string;
  cpu?: string;
  memory?: string;
}

const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;
const name = z.string().regex(NAME, 'must be lower-case letters, digits and dashes');
/** Whoever has a certificate means TLS where a scheme is left out. */
type Scheme = 'tcp' | 'tls';

const addressFor = (scheme: Scheme) =>
  z
    .string()
    .transform((text) => (text.includes('://') ? text : `${scheme}://${text}`))
    .refine((text) => /^(tcp|tls):\/\/[^/\s]+:\d{1,5}$/.test(text), 'must be tcp://host:port or tls://host:port');

/** `nuwa-1=tcp://host:port,nuwa-2=…` */
const membersFor = (scheme: Scheme) =>
  z
    .string()
    .transform((text) =>
      text
        .split(',')
        .filter((part) => part.trim() !== '')
        .map((part) => ({ id: part.split('=')[0]!.trim(), address: part.slice(part.indexOf('=') + 1).trim() })),
    )
    .pipe(z.array(z.object({ id: name, address: addressFor(scheme) })))
    .refine((list) => new Set(list.map(({ id }) => id)).size === list.length, 'names a server twice');

const hostAndPort = z.string().regex(/^[^/\s]+:\d{1,5}$/, 'must be host:port');

const schemaFor = (scheme: Scheme) =>
  z.object({
    cluster: name.default('local'),
    node: name.optional(),
    rack: name.default('rack-a'),
    machine: name.optional(),
    disk: z
      .string()
      .default('')
      .transform((text) => text.split(',').filter((part) => part.trim() !== '')),
    data: z.string().min(1, 'must name a directory'),
    listen: addressFor(scheme).optional(),
    nuwa: z
      .string()
      .default('')
      .transform((text) => text.split(',').filter((part) => part.trim() !== ''))
      .pipe(z.array(addressFor(scheme))),
    database: z
      .string()
      .regex(/^postgres(ql)?:\/\//, 'must be postgres://…')
      .optional(),
    metrics: hostAndPort.default('127.0.0.1:0'),
    http: hostAndPort.default('127.0.0.1:0'),
    httpToken: z.string().min(1).optional(),
    identity: z.string().min(1).optional(),
    trust: z.string().min(1).optional(),
    tlsCertificate: z.string().min(1).optional(),
    tlsKey: z.string().min(1).optional(),
    insecure: z.union([z.boolean(), z.enum(['on', 'off']).transform((text) => text === 'on')]).default(false),
    nuwaId: name.optional(),
    nuwaMembers: membersFor(scheme).optional(),
    zookeeper: hostAndPort.optional(),
    nuwaLeaseReads: z.enum(['on', 'off']).default('off'),
    proxy: z
      .string()
      .regex(/^unix:\/\/\/./, 'must be unix:///path')
      .optional(),
    requireSubmitter: z.union([z.boolean(), z.enum(['on', 'off']).transform((text) => text === 'on')]).default(false),
    cpu: z.coerce.number().positive().default(availableParallelism()),
    memory: z.coerce
      .number()
      .int()
      .positive()
      .default(Math.floor(totalmem() / 2 / 1_048_576)),
  });
type Schema = ReturnType<typeof schemaFor>;
type Settings = z.output<Schema>;

export const VARIABLES: Record<keyof z.input<Schema>, string> = {
  cluster: 'FEITIAN_CLUSTER',
  node: 'FEITIAN_NODE',
  rack: 'FEITIAN_RACK',
  machine: 'FEITIAN_MACHINE',
  disk: 'FEITIAN_DISKS',
  data: 'FEITIAN_DATA',
  listen: 'FEITIAN_LISTEN',
  nuwa: 'FEITIAN_NUWA',
  database: 'FEITIAN_DATABASE_URL',
  metrics: 'FEITIAN_METRICS',
  http: 'FEITIAN_HTTP',
  httpToken: 'FEITIAN_HTTP_TOKEN_FILE',
  identity: 'FEITIAN_IDENTITY',
  trust: 'FEITIAN_TRUST',
  tlsCertificate: 'FEITIAN_TLS_CERTIFICATE',
  tlsKey: 'FEITIAN_TLS_KEY',
  insecure: 'FEITIAN_INSECURE',
  nuwaId: 'FEITIAN_NUWA_ID',
  nuwaMembers: 'FEITIAN_NUWA_MEMBERS',
  zookeeper: 'FEITIAN_ZOOKEEPER',
  nuwaLeaseReads: 'FEITIAN_NUWA_LEASE_READS',
  proxy: 'FEITIAN_PROXY',
  requireSubmitter: 'FEITIAN_REQUIRE_SUBMITTER',
  cpu: 'FEITIAN_CPU',
  memory: 'FEITIAN_MEMORY_MIB',
};

/** One config for each role, in their order. With several roles in one process each has a directory of its own below `data`. */
export async function roleConfigs(roles: readonly RoleName[], flags: RoleFlags, env: Environment): Promise<RoleConfig[]> {
  const given: Record<string, string | boolean | undefined> = {};
  for (const [key, variable] of Object.entries(VARIABLES)) given[key] = flags[key as keyof RoleFlags] ?? (env[variable] || undefined);
  // Who was told to be insecure shows nobody a certificate either.
  const insecure = given.insecure === true || given.insecure === 'on';
  const scheme = given.tlsCertificate !== undefined && !insecure ? 'tls' : 'tcp';
  const parsed = schemaFor(scheme).safeParse(given);
  if (!parsed.success) throw badConfig(parsed.error.issues.map(({ path, message }) => `${nameOf(path[0])} ${message}`));
  const { cluster, node, rack, machine, disk, data, nuwa, database, metrics, http, httpToken, proxy, cpu, memory } = parsed.data;
  const nuwaServer = roles.includes('nuwa') ? nuwaServerOf(parsed.data, scheme) : undefined;
  const listen = parsed.data.listen ?? ownAddress(nuwaServer) ?? `${scheme}://127.0.0.1:0`;

  const dataDir = resolve(data);
  const temporal = await temporalFromEnvironment(env, join(dataDir, 'tls'));
  const missing: string[] = [];
  const need = (what: keyof RoleNeeds, given: boolean, variable: string): void => {
    const who = roles.filter((role) => ROLE_NEEDS[role][what]).join(', ');
    if (who && !given) missing.push(`${variable} is needed by ${who}`);
  };
  need('node', node !== undefined, nameOf('node'));
  need('database', database !== undefined, nameOf('database'));
  need('temporal', temporal !== undefined, 'TEMPORAL_ADDRESS');
  need('nuwa', nuwa.length > 0, nameOf('nuwa'));
  if (roles.length > 1 && !listen.endsWith(':0'))
    missing.push(`${nameOf('listen')} can give a port to one role only, not to ${roles.length}`);
  if (roles.length > 1 && roles.includes('zhongkui')) missing.push("zhongkui plays alone: its process holds the authority's key");
  const security = securityOf(parsed.data, missing);
  // Where a group's servers are is no affair of who is insecure, such as who restores one.
  const answers = [parsed.data.listen, insecure ? undefined : ownAddress(nuwaServer)].filter((each) => each !== undefined);
  missing.push(...schemeProblems({ answers: [...new Set(answers)], nuwa, certified: scheme === 'tls', insecure }));
  if (parsed.data.requireSubmitter && insecure)
    missing.push(`${nameOf('requireSubmitter')} asks for keys, and ${nameOf('insecure')} does without`);
  if (missing.length > 0) throw badConfig(missing);

  return roles.map((role) => ({
    cluster,
    dataDir: roles.length > 1 ? join(dataDir, role) : dataDir,
    listen,
    nuwa,
    metrics,
    http,
    resources: { cpu, memoryMiB: memory },
    ...(role === 'nuwa' && nuwaServer ? { nuwaServer } : {}),
    ...(node ? { node: { id: node, rack, ...(machine ? { machine } : {}) } } : {}),
    ...(role === 'pangu-chunk' && disk.length > 0 ? { disks: disk.map((each) => resolve(each.trim())) } : {}),
    ...(security ? { security } : {}),
    ...(httpToken ? { httpTokenFile: resolve(httpToken) } : {}),
    ...(proxy ? { proxy } : {}),
    ...(role === 'worker' && parsed.data.requireSubmitter ? { requireSubmitter: true } : {}),
    ...(database ? { databaseUrl: database } : {}),
    ...(temporal ? { temporal } : {}),
  }));
}

/** Nobody serves without knowing who calls unless he was told to. */
function securityOf({ identity, trust, insecure, tlsCertificate, tlsKey }: Settings, missing: string[]): SecurityConfig | undefined {
  if (insecure) return undefined;
  if (identity === undefined || trust === undefined) {
    missing.push(
      `${nameOf('identity')} and ${nameOf('trust')} are needed: the key of this process and whom it trusts (\`feitian key --help\`); ${nameOf('insecure')} answers anybody instead`,
    );
    return undefined;
  }
  const files = { identityFile: resolve(identity), trustFile: resolve(trust) };
  if (tlsCertificate === undefined && tlsKey === undefined) return files;
  if (tlsCertificate === undefined || tlsKey === undefined) {
    missing.push(`${nameOf('tlsCertificate')} and ${nameOf('tlsKey')} belong together`);
    return undefined;
  }
  return { ...files, tls: { certificateFile: resolve(tlsCertificate), keyFile: resolve(tlsKey) } };
}

/** Addresses that need a certificate where there is none, and those that do without the one there is. */
function schemeProblems({
  answers,
  nuwa,
  certified,
  insecure,
}: {
  answers: string[];
  nuwa: string[];
  certified: boolean;
  insecure: boolean;
}): string[] {
  const needing = [...answers, ...nuwa].find((address) => address.startsWith('tls://'));
  if (!certified)
    return needing === undefined
      ? []
      : [`${needing} needs ${nameOf('tlsCertificate')} and ${nameOf('tlsKey')}: this machine's certificate (\`feitian key join\`)`];
  if (insecure) return [];
  return answers
    .filter((address) => address.startsWith('tcp://') && !isLoopback(address))
    .map((address) => `${address} would be answered in plain: who has a certificate listens at ${address.replace('tcp:', 'tls:')}`);
}

function isLoopback(address: string): boolean {
  return /^tcp:\/\/(127\.\d+\.\d+\.\d+|\[::1\]|localhost):/.test(address);
}

/** Undefined: a group of its own, of one, as it has always been. Errors: BadConfig. */
function nuwaServerOf(
  { nuwaId: id, nuwaMembers: members = [], zookeeper, nuwaLeaseReads, listen }: Settings,
  scheme: Scheme,
): RoleConfig['nuwaServer'] {
  if (id === undefined) {
    if (members.length > 0) throw badConfig([`${nameOf('nuwaId')} must say which of ${nameOf('nuwaMembers')} this server is`]);
    if (zookeeper === undefined) return undefined;
    const own = { id: 'nuwa-1', address: listen ?? `${scheme}://127.0.0.1:0` };
    return { id: own.id, members: [own], zookeeper };
  }
  if (members.length > 0 && !members.some((member) => member.id === id))
    throw badConfig([`${nameOf('nuwaMembers')} must name ${id} too, as ${id}=${scheme}://host:port`]);
  return { id, members, ...(zookeeper ? { zookeeper } : {}), ...(nuwaLeaseReads === 'on' ? { leaseReads: true } : {}) };
}

function ownAddress(server: RoleConfig['nuwaServer']): string | undefined {
  return server?.members.find(({ id }) => id === server.id)?.address;
}

function nameOf(key: unknown): string {
  const flag = String(key).replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return `--${flag} (${VARIABLES[key as keyof typeof VARIABLES]})`;
}

function badConfig(problems: string[]): ClusterError {
  return new ClusterError('BadConfig', problems.join('; '));
}
