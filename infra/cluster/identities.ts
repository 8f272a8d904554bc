import { hasCode } from '../../services/base/errors.ts';
import {
  createKeyPair,
  fileStore,
  type Issuer,
  identityOf,
  issue,
  type KeyPair,
  readKeyFile,
  readTrustFile,
  writeKeyFile,
  writeTrustFile,
} from '../../services/zhongkui/client.ts';
import type { Capability, SecurityConfig } from '../../services/zhongkui/contract.ts';
import type { RoleName } from '../roles.ts';
import { adminGrants, roleGrants } from '../security/role-grants.ts';
import type { Layout } from './layout.ts';
import { processName } from './process-run.ts';

/**
 * The keys of a local cluster: an issuer whom all its processes trust, a key pair with a token for each process and for the administrator. They are made at the first
 * start, and looked at from then on: a token that is past half of its life, or no longer says what its role may do, is replaced in its file, where its process sees it.
 */
const TOKEN_TTL_MS = 30 * 86_400_000;

export class Identities {
  readonly #layout: Layout;
  readonly #cluster: string;
  readonly #issuer: Issuer;
  readonly #nowMs: () => number;
  /** File → who it is for. */
  readonly #kept = new Map<string, { name: string; capabilities: Capability[] }>();

  private constructor(layout: Layout, cluster: string, issuer: Issuer, nowMs: () => number) {
    this.#layout = layout;
    this.#cluster = cluster;
    this.#issuer = issuer;
    this.#nowMs = nowMs;
  }

  static async open(layout: Layout, cluster: string, nowMs: () => number = Date.now): Promise<Identities> {
    const keyPair = await keyPairAt(layout.issuerKey);
    const trusted = await readTrustFile(layout.trustFile).catch((error) => {
      if (!hasCode(error, 'NoSuchKey')) throw error;
      return undefined;
    });
    if (!trusted) await writeTrustFile(layout.trustFile, { cluster, keys: [keyPair], certificates: [] });
    const identities = new Identities(layout, cluster, { cluster, keyPair, store: fileStore(layout.issued) }, nowMs);
    await identities.#keep(layout.adminKey, 'user/admin', adminGrants(cluster));
    return identities;
  }

  /** What a process is told. */
  async ofProcess(role: RoleName, place?: string): Promise<SecurityConfig> {
    const file = this.#layout.identityOf(processName(role, place));
    await this.#keep(file, place === undefined ? `service/${role}` : `service/${role}/${place}`, roleGrants(role, this.#cluster));
    return { identityFile: file, trustFile: this.#layout.trustFile };
  }

  /** To be called now and then while the cluster is up. */
  async renew(): Promise<void> {
    for (const [file, { name, capabilities }] of this.#kept) await this.#keep(file, name, capabilities);
  }

  async #keep(file: string, name: string, capabilities: Capability[]): Promise<void> {
    this.#kept.set(file, { name, capabilities });
    const found = await readKeyFile(file).catch((error) => {
      if (!hasCode(error, 'NoSuchKey')) throw error;
      return undefined;
    });
    const keyPair = found?.keyPair ?? createKeyPair();
    if (found?.token !== undefined && this.#isCurrent(keyPair, found.token, name, capabilities)) return;
    const { token } = await issue(this.#issuer, { name, holder: keyPair, capabilities, ttlMs: TOKEN_TTL_MS });
    await writeKeyFile(file, { keyPair, token });
  }

  #isCurrent(keyPair: KeyPair, token: string, name: string, capabilities: Capability[]): boolean {
    try {
      const { grant, cluster } = identityOf({ keyPair, token });
      const fresh = grant.expiresAtMs - this.#nowMs() > TOKEN_TTL_MS / 2;
      return (
        fresh && cluster === this.#cluster && grant.name === name && JSON.stringify(grant.capabilities) === JSON.stringify(capabilities)
      );
    } catch {
      return false;
    }
  }
}

async function keyPairAt(file: string): Promise<KeyPair> {
  try {
    return (await readKeyFile(file)).keyPair;
  } catch (error) {
    if (!hasCode(error, 'NoSuchKey')) throw error;
    const keyPair = createKeyPair();
    await writeKeyFile(file, { keyPair }, { fresh: true });
    return keyPair;
  }
}
