import { ensureIdentity, ensureIssuer, type Issuer, type KeyDirectory, keyDirectory } from '../../services/zhongkui/client.ts';
import type { Capability, SecurityConfig } from '../../services/zhongkui/contract.ts';
import type { RoleName } from '../roles.ts';
import { inKeys } from '../security/keys-lock.ts';
import { adminGrants, grantsOfAll } from '../security/role-grants.ts';

/**
 * The keys of a local cluster: an issuer whom all its processes trust, a key pair with a token for each process and for the administrator. They are made at the first
 * start, and looked at from then on: a token that is past half of its life, or no longer says what its role may do, is replaced in its file, where its process sees it.
 */
const TOKEN_TTL_MS = 30 * 86_400_000;

export class Identities {
  readonly #keys: KeyDirectory;
  #issuer: Issuer;
  readonly #kept = new Map<string, Capability[]>();

  private constructor(keys: KeyDirectory, issuer: Issuer) {
    this.#keys = keys;
    this.#issuer = issuer;
  }

  static async open(directory: string, cluster: string): Promise<Identities> {
    const keys = keyDirectory(directory);
    return await inKeys(directory, async () => {
      const identities = new Identities(keys, await ensureIssuer(keys, cluster));
      await identities.#keep('user/admin', adminGrants(cluster));
      return identities;
    });
  }

  /** What a process is told. */
  async ofProcess(process: string, roles: readonly RoleName[]): Promise<SecurityConfig> {
    const name = `service/${process}`;
    await inKeys(this.#keys.path, () => this.#keep(name, grantsOfAll(roles, this.#issuer.cluster)));
    return { identityFile: this.#keys.fileOf(name), trustFile: this.#keys.trustFile };
  }

  /** To be called now and then while the cluster is up. */
  async renew(): Promise<void> {
    await inKeys(this.#keys.path, async () => {
      // Somebody may have rotated it.
      this.#issuer = await ensureIssuer(this.#keys, this.#issuer.cluster);
      for (const [name, capabilities] of this.#kept) await this.#keep(name, capabilities);
    });
  }

  async #keep(name: string, capabilities: Capability[]): Promise<void> {
    this.#kept.set(name, capabilities);
    await ensureIdentity(this.#issuer, this.#keys.fileOf(name), { name, capabilities, ttlMs: TOKEN_TTL_MS }, Date.now());
  }
}
