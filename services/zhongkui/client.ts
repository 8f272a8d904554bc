/**
 * What other rooms take from Zhongkui: who a process is (an identity), who may call it (a guard), and tokens for others, issued or delegated.
 */
import { createHash } from 'node:crypto';
import { type Clock, systemClock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Guard } from '../kuafu/guard-contract.ts';
import type { NuwaClient } from '../nuwa/contract.ts';
import { createAudit } from './audit.ts';
import { createGuard } from './guard.ts';
import { type IssueOptions, type Issuer, issue as issueAt } from './issuer.ts';
import { openTrust } from './keys/trust-file.ts';
import { followRevocations } from './revocations/follower.ts';
import { revoke as revokeAt } from './revocations/revoke.ts';
import { NO_REVOCATIONS, type RevocationView } from './revocations/view.ts';
import { countingAudit, tellRevocations } from './tell.ts';
import { type DelegateOptions, delegate as delegateAt, type Holding, type IssuedToken } from './tokens/delegate.ts';

export { NO_AUDIT } from './audit.ts';
export { authorityFiles } from './certificates/authority-files.ts';
export { type CertificateKeeper, type KeeperOptions, openCertificateKeeper } from './certificates/keeper.ts';
export type { MachineFiles } from './certificates/machine-files.ts';
export { formatCapability, parseCapability } from './core/capability.ts';
export { covers, isResource, parseResource } from './core/resource.ts';
export { createGuard, type GuardOptions } from './guard.ts';
export { type IssueOptions, type Issuer, TOKEN_TTL_MS_MAX } from './issuer.ts';
export { ensureIdentity, ensureIssuer, type KeyDirectory, keyDirectory, openIssuer, rotateIssuer } from './key-directory.ts';
export {
  type FileIdentity,
  formatKeyFile,
  type HeldIdentity,
  identityOf,
  type KeyFile,
  openIdentity,
  parseKeyFile,
  readKeyFile,
  writeKeyFile,
} from './keys/identity-file.ts';
export {
  createKeyPair,
  formatPrivateKey,
  formatPublicKey,
  type KeyPair,
  type PublicKey,
  parsePrivateKey,
  parsePublicKey,
} from './keys/key-pair.ts';
export { readPrivateFile, writePrivateFile } from './keys/private-file.ts';
export { readTrustFile, type Trust, type TrustedKey, trustOf, writeTrustFile } from './keys/trust-file.ts';
export { NO_REVOCATIONS, type RevocationView } from './revocations/view.ts';
export { rotateKeyFile } from './rotate.ts';
export { fileStore, type IssuedRecord, type IssuedStore } from './store.ts';
export { tellCertificate, tellToken } from './tell.ts';
export { decodeToken } from './tokens/decode-token.ts';
export type { DelegateOptions, Holding, IssuedToken } from './tokens/delegate.ts';

/** Gives part of what an identity may do to another key; needs nobody else. Errors: TokenWidened, InvalidCapability. */
export function delegate(identity: Holding, options: DelegateOptions, clock: Pick<Clock, 'nowMs'> = systemClock): Promise<IssuedToken> {
  return delegateAt(identity, options, clock.nowMs());
}

/** A token of an issuer's. Errors: InvalidCapability, KeyMalformed, TokenRevoked. */
export function issue(issuer: Issuer, options: IssueOptions, clock: Pick<Clock, 'nowMs'> = systemClock): Promise<IssuedToken> {
  return issueAt(issuer, options, clock.nowMs());
}

/** The id of a token that both who gives it and who may have to revoke it can tell from what they know: a digest (SHA-256) of these words. */
export function tokenIdOf(...parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
}

export interface RevokeOptions {
  /** Id of a token (all that was delegated from it goes too), or fingerprint of a key. */
  readonly of: string;
  readonly reason: string;
  /** When the last token that this can concern ends by itself. */
  readonly expiresAtMs: number;
  /** @default at once */
  readonly fromMs?: number;
}

/** Holds everywhere within REVOCATION_FRESH_MS. */
export function revoke(
  nuwa: Pick<NuwaClient, 'create' | 'transact'>,
  { of, ...revocation }: RevokeOptions,
  clock: Pick<Clock, 'nowMs'> = systemClock,
): Promise<void> {
  return revokeAt(nuwa, of, revocation, clock.nowMs());
}

export interface OpenGuardOptions {
  cluster: string;
  /** See keys/trust-file.ts. */
  trustFile: string;
  /** Where revocations come from; given later by `follow` where the guard must be there before its process can reach Nuwa. */
  nuwa?: Pick<NuwaClient, 'follow' | 'get'>;
  /** For Nuwa's own servers: see GuardOptions. @default false */
  trustStale?: boolean;
  log: Logger;
  clock?: Clock;
}

export interface OpenGuard extends Guard {
  /** Nobody is let in before, unless `trustStale`. Resolves when the revocations are known. */
  follow(nuwa: Pick<NuwaClient, 'follow' | 'get'>): Promise<void>;
  close(): void;
}

/** A guard with all that it stands on: trusted keys out of a file, revocations out of Nuwa, the audit log. */
export async function openGuard(options: OpenGuardOptions): Promise<OpenGuard> {
  const { cluster, trustFile, nuwa, trustStale = false, log, clock = systemClock } = options;
  const closing = new AbortController();
  const trust = await openTrust(trustFile, { log });
  const audit = createAudit({ log: log.child({ log: 'audit' }), clock });
  const revocations = new Attachable();
  const guard = createGuard({ cluster, trust, clock, revocations, audit: countingAudit(audit), trustStale });
  const untell = tellRevocations(revocations, clock);
  const follow = (from: Pick<NuwaClient, 'follow' | 'get'>): Promise<void> => {
    const follower = followRevocations({ nuwa: from, log, signal: closing.signal, clock });
    revocations.attach(follower);
    return follower.fresh;
  };
  if (nuwa) await follow(nuwa);
  return {
    ...guard,
    follow,
    close() {
      closing.abort();
      untell();
      trust.close();
      audit.close();
    },
  };
}

/** Nothing is known of revocations until somebody tells. */
class Attachable implements RevocationView {
  #source: RevocationView = { ...NO_REVOCATIONS, freshUntilMs: Number.NEGATIVE_INFINITY };
  #attached = 0;

  attach(source: RevocationView): void {
    this.#source = source;
    this.#attached++;
  }

  get version(): number {
    return this.#source.version + this.#attached * ATTACHED;
  }

  get revocations(): RevocationView['revocations'] {
    return this.#source.revocations;
  }

  get freshUntilMs(): number {
    return this.#source.freshUntilMs;
  }
}

/** Versions of one source never meet those of the next. */
const ATTACHED = 2 ** 40;
