import { randomBytes } from 'node:crypto';
import { ManualClock } from '../../../services/base/clock.ts';
import type { Challenge } from '../../../services/kuafu/guard.ts';
import type { Capability } from '../../../services/zhongkui/contract.ts';
import type { Revocation } from '../../../services/zhongkui/core/revocation.ts';
import { issue } from '../../../services/zhongkui/issuer.ts';
import { identityOf } from '../../../services/zhongkui/keys/identity-file.ts';
import { createKeyPair, type KeyPair } from '../../../services/zhongkui/keys/key-pair.ts';
import { trustOf } from '../../../services/zhongkui/keys/trust-file.ts';
import type { RevocationView } from '../../../services/zhongkui/revocations/view.ts';
import { type DelegateOptions, delegate, type Holding } from '../../../services/zhongkui/tokens/delegate.ts';

export const NOW_MS = Date.UTC(2026, 10, 25);
export const HOUR_MS = 3_600_000;

export const can = (resource: string, ...operations: Capability['operations']): Capability => ({ resource, operations });
export const EVERYTHING = [can('pangu://local/', 'read', 'write', 'run', 'admin', 'peer'), can('nuwa://local/', 'read', 'write', 'admin')];

export const challengeOf = (challenge: Partial<Challenge> = {}): Challenge => ({ cluster: 'local', nonce: randomBytes(32), ...challenge });

/** An issuer whom the cluster `local` trusts, and a clock that both go by. */
export class Stage {
  readonly issuerKey = createKeyPair();
  readonly clock = new ManualClock(NOW_MS);
  readonly trust = trustOf([this.issuerKey]);
  readonly revocations = new ManualRevocations();

  async issued(
    options: { name?: string; capabilities?: Capability[]; ttlMs?: number; keyPair?: KeyPair; cluster?: string; by?: KeyPair } = {},
  ): Promise<Holding & { id: string }> {
    const {
      name = 'user/alice',
      capabilities = EVERYTHING,
      ttlMs = HOUR_MS,
      keyPair = createKeyPair(),
      cluster = 'local',
      by = this.issuerKey,
    } = options;
    const { token, id } = await issue({ cluster, keyPair: by }, { name, holder: keyPair, capabilities, ttlMs }, this.clock.nowMs());
    return { token, id, keyPair };
  }

  async delegated(from: Holding, options: Partial<DelegateOptions> & { keyPair?: KeyPair } = {}): Promise<Holding & { id: string }> {
    const { keyPair = createKeyPair(), ...rest } = options;
    const { token, id } = await delegate(from, { holder: keyPair, ttlMs: HOUR_MS, ...rest }, this.clock.nowMs());
    return { token, id, keyPair };
  }
}

export class ManualRevocations implements RevocationView {
  version = 1;
  readonly revocations = new Map<string, Revocation>();
  freshUntilMs = Number.POSITIVE_INFINITY;

  revoke(of: string, revocation: Partial<Revocation> = {}): void {
    this.revocations.set(of, { expiresAtMs: Number.POSITIVE_INFINITY, reason: 'it was lost', ...revocation });
    this.version++;
  }
}

export const credentialsOf = (holding: Holding, challenge: Challenge) => identityOf(holding).present(challenge);
