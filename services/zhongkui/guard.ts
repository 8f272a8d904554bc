import { createHash } from 'node:crypto';
import { type Clock, systemClock } from '../base/clock.ts';
import type { Caller, Challenge, Credentials, Guard } from '../kuafu/guard-contract.ts';
import { type Audit, NO_AUDIT } from './audit.ts';
import { GuardedCaller } from './caller.ts';
import { TOKEN_BYTES_MAX, ZhongkuiError } from './contract.ts';
import { type PublicKey, publicKeyFromX } from './keys/key-pair.ts';
import type { Trust } from './keys/trust-file.ts';
import { Limiter } from './limiter.ts';
import type { RevocationView } from './revocations/view.ts';
import { checkProof } from './tokens/proof.ts';
import { verifyToken } from './tokens/verify-token.ts';

export interface GuardOptions {
  cluster: string;
  trust: Trust;
  revocations: RevocationView;
  clock?: Clock;
  audit?: Audit;
  /**
   * What is known of revocations counts however old it is. Only for the servers that the revocations come from: Nuwa's own must admit each other before there is
   * a group that could tell them anything. @default false
   */
  trustStale?: boolean;
}

/** Verified tokens that are remembered, in each of two generations; some 2 KiB each. */
const VERIFIED_MAX = 4_096;

interface Verified {
  readonly caller: GuardedCaller;
  readonly holder: PublicKey;
}

/**
 * Decides who calls and what for. A token is verified once, link by link, and remembered by its digest with what it says; a connection that shows it again
 * costs the check of its proof, one signature. All connections that show one token share its caller, and what that remembers.
 */
export function createGuard(options: GuardOptions): Guard {
  const { cluster, trust, revocations, clock = systemClock, audit = NO_AUDIT, trustStale = false } = options;
  const sources = { clock, trust, revocations, trustStale, limiter: new Limiter(clock) };
  const known = new Generations<Verified>(VERIFIED_MAX);
  const underWay = new Map<string, Promise<Verified>>();

  const verify = async (token: string): Promise<Verified> => {
    const verified = await verifyToken(token, (fingerprint) => trust.issuer(fingerprint));
    if (verified.cluster !== cluster) throw new ZhongkuiError('TokenForged', `the token is for another cluster than ${cluster}`);
    const caller = new GuardedCaller({ grant: verified.grant, issuer: verified.links[0]!.signer }, sources);
    return { caller, holder: publicKeyFromX(verified.links.at(-1)!.key) };
  };

  /** Once for all who show the same token at once, as after a server's restart. */
  const verifiedOf = async (token: string, digest: string): Promise<Verified> => {
    const found = known.get(digest);
    if (found) return found;
    let verifying = underWay.get(digest);
    if (!verifying) {
      verifying = verify(token).finally(() => underWay.delete(digest));
      underWay.set(digest, verifying);
    }
    const verified = await verifying;
    known.set(digest, verified);
    return verified;
  };

  const admit = async ({ token, proof }: Credentials, challenge: Challenge): Promise<Caller> => {
    if (challenge.cluster !== cluster) throw new ZhongkuiError('WrongHolder', `the challenge is not one of cluster ${cluster}`);
    if (typeof token !== 'string' || token.length > TOKEN_BYTES_MAX)
      throw new ZhongkuiError('TokenMalformed', `this is no token: none is longer than ${TOKEN_BYTES_MAX} bytes`);
    const digest = createHash('sha256').update(token).digest();
    const { caller, holder } = await verifiedOf(token, digest.toString('base64url'));
    // Before the proof: a token that is over needs no more work.
    endUnlessGood(caller);
    await checkProof(proof, digest, holder, challenge);
    endUnlessGood(caller);
    return caller;
  };

  return {
    async admit(credentials, challenge) {
      try {
        const caller = await admit(credentials, challenge);
        audit.admitted(caller);
        return caller;
      } catch (error) {
        const refusal = error instanceof ZhongkuiError ? error : new ZhongkuiError('TokenMalformed', 'these are no credentials');
        audit.turnedAway(refusal);
        throw refusal;
      }
    },
    refused: (caller, method, operation, resource, reason) => audit.refused(caller, method, operation, resource, reason),
    allowed(caller, method, operation, resource) {
      audit.allowed(caller, method, operation, caller instanceof GuardedCaller ? caller.prefixOf(operation, resource) : '');
    },
  };
}

function endUnlessGood(caller: GuardedCaller): void {
  const end = caller.end();
  if (end) throw new ZhongkuiError(end.code, end.reason);
}

/** Remembers the last so many, and up to as many before: what is looked up stays. */
class Generations<T> {
  readonly #max: number;
  #young = new Map<string, T>();
  #old = new Map<string, T>();

  constructor(max: number) {
    this.#max = max;
  }

  get(key: string): T | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: string, value: T): void {
    if (this.#young.size >= this.#max) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }
}
