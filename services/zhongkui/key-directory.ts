import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../base/errors.ts';
import { type Capability, ZhongkuiError } from './contract.ts';
import { formatCapability } from './core/capability.ts';
import { isName } from './core/names.ts';
import { type IssueOptions, type Issuer, issue } from './issuer.ts';
import { identityOf, type KeyFile, readKeyFile, writeKeyFile } from './keys/identity-file.ts';
import { createKeyPair, type PublicKey } from './keys/key-pair.ts';
import { readTrustFile, TRUSTED_KEYS_MAX, writeTrustFile } from './keys/trust-file.ts';
import { fileStore, type IssuedStore } from './store.ts';

/**
 * All keys of a cluster that one place keeps:
 *
 *   issuer.pem      whoever has it can give anybody anything: on one machine, and nowhere else
 *   trust.json      its public half, for every server
 *   issued/         what it gave to whom
 *   admin.pem       user/admin        users/alice.pem   user/alice      services/pangu-master.pem   service/pangu-master
 */
export interface KeyDirectory {
  readonly path: string;
  readonly issuerFile: string;
  readonly trustFile: string;
  readonly store: IssuedStore;
  /** Of `user/alice` or `service/pangu-master`. Errors: KeyMalformed. */
  fileOf(name: string): string;
  /** Names whose keys are here, in order. */
  names(): Promise<string[]>;
}

const ADMIN = 'user/admin';
const FOLDERS = { user: 'users', service: 'services' } as const;

export function keyDirectory(path: string): KeyDirectory {
  const fileOf = (name: string): string => {
    const [kind, ...rest] = name.split('/');
    if (!isName(name) || !(kind === 'user' || kind === 'service'))
      throw new ZhongkuiError('KeyMalformed', `${JSON.stringify(name)} is no name of a key: names are user/<name> or service/<name>`);
    return name === ADMIN ? join(path, 'admin.pem') : `${join(path, FOLDERS[kind], ...rest)}.pem`;
  };
  const below = async (folder: string): Promise<string[]> => {
    const found = await readdir(join(path, folder), { recursive: true }).catch(() => []);
    return found
      .filter((file) => file.endsWith('.pem') && !file.includes('/.') && !file.startsWith('.'))
      .map((file) => file.slice(0, -'.pem'.length));
  };
  return {
    path,
    issuerFile: join(path, 'issuer.pem'),
    trustFile: join(path, 'trust.json'),
    store: fileStore(join(path, 'issued')),
    fileOf,
    async names() {
      const admin = (await readdir(path).catch(() => [] as string[])).includes('admin.pem') ? [ADMIN] : [];
      const users = (await below(FOLDERS.user)).map((name) => `user/${name}`);
      const services = (await below(FOLDERS.service)).map((name) => `service/${name}`);
      return [...admin, ...[...users, ...services].filter(isName).sort()];
    },
  };
}

/** Errors: NoSuchKey. */
export async function openIssuer(keys: KeyDirectory): Promise<Issuer> {
  const { keyPair } = await readKeyFile(keys.issuerFile).catch((error: unknown) => {
    if (!hasCode(error, 'NoSuchKey')) throw error;
    throw new ZhongkuiError(
      'NoSuchKey',
      `${keys.issuerFile} is not there: only where the issuer's key is can rights be given to somebody new`,
    );
  });
  const { cluster, keys: trusted } = await readTrustFile(keys.trustFile);
  if (!trusted.some(({ fingerprint }) => fingerprint === keyPair.fingerprint))
    throw new ZhongkuiError('KeyMalformed', `${keys.trustFile} does not name the issuer's key: nobody would trust what it signs`);
  return { cluster, keyPair, store: keys.store };
}

/** The issuer, made at the first time; again it is the same one. */
export async function ensureIssuer(keys: KeyDirectory, cluster: string): Promise<Issuer> {
  await mkdir(keys.path, { recursive: true, mode: 0o700 });
  await writeKeyFile(keys.issuerFile, { keyPair: createKeyPair() }, { fresh: true }).catch((error: unknown) => {
    if (!hasCode(error, 'KeyExists')) throw error;
  });
  const { keyPair } = await readKeyFile(keys.issuerFile);
  const trust = await readTrustFile(keys.trustFile).catch((error: unknown) => {
    // Made before the machine stopped, or never.
    if (!hasCode(error, 'NoSuchKey')) throw error;
  });
  if (!trust) await writeTrustFile(keys.trustFile, { cluster, keys: [keyPair], certificates: [] });
  else if (trust.cluster !== cluster)
    throw new ZhongkuiError('KeyExists', `the keys in ${keys.path} are those of cluster ${trust.cluster}, not of ${cluster}`);
  return openIssuer(keys);
}

/**
 * The file of an identity that has these rights and no others: made when it is not there, given a new token when it has none, when its token is of another issuer or
 * another name, says something else, or has less than half of its time left. Whoever starts processes calls it before each start.
 */
export async function ensureIdentity(issuer: Issuer, file: string, wanted: Omit<IssueOptions, 'holder'>, nowMs: number): Promise<string> {
  await writeKeyFile(file, { keyPair: createKeyPair() }, { fresh: true }).catch((error: unknown) => {
    if (!hasCode(error, 'KeyExists')) throw error;
  });
  const found = await readKeyFile(file);
  if (isAsWanted(found, issuer, wanted, nowMs)) return file;
  const { token } = await issue(issuer, { ...wanted, holder: found.keyPair }, nowMs);
  await writeKeyFile(file, { keyPair: found.keyPair, token });
  return file;
}

function isAsWanted(
  { keyPair, token }: KeyFile,
  issuer: Issuer,
  { name, capabilities, ttlMs }: Omit<IssueOptions, 'holder'>,
  nowMs: number,
): boolean {
  if (token === undefined) return false;
  try {
    const { grant, cluster } = identityOf({ keyPair, token });
    const same = grant.name === name && cluster === issuer.cluster && rightsOf(grant.capabilities) === rightsOf(capabilities);
    return same && grant.revocableBy[0] === issuer.keyPair.fingerprint && grant.expiresAtMs - nowMs > ttlMs / 2;
  } catch (error) {
    if (error instanceof ZhongkuiError) return false;
    throw error;
  }
}

const rightsOf = (capabilities: readonly Capability[]): string => capabilities.map(formatCapability).join(' ');

/**
 * A new key for the issuer. The old one is trusted for a while, until all have new tokens: what it signed ends then. The new one is trusted before it is
 * used, so that a stop in between leaves a key that nobody has, and no token that nobody takes.
 */
export async function rotateIssuer(keys: KeyDirectory, overlapMs: number, nowMs: number): Promise<{ previous: PublicKey; issuer: Issuer }> {
  const { keyPair: previous } = await openIssuer(keys);
  const trust = await readTrustFile(keys.trustFile);
  const keyPair = createKeyPair();
  const untilMs = nowMs + overlapMs;
  const old = trust.keys
    .filter((key) => key.untilMs === undefined || key.untilMs > nowMs)
    .map((key) => ({ ...key, untilMs: Math.min(key.untilMs ?? untilMs, untilMs) }));
  if (old.length >= TRUSTED_KEYS_MAX)
    throw new ZhongkuiError(
      'KeyExists',
      `${old.length} issuers' keys still count, as many as may: an --overlap that is shorter ends them sooner`,
    );
  await writeTrustFile(keys.trustFile, { ...trust, keys: [keyPair, ...old] });
  await writeKeyFile(keys.issuerFile, { keyPair });
  return { previous, issuer: await openIssuer(keys) };
}
