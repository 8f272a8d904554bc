import { FeitianError } from '../base/errors.ts';
import type { Identity } from '../kuafu/guard-contract.ts';

/**
 * Zhongkui's public words: who you are, and what you may touch.
 *
 * A *key pair* (Ed25519, RFC 8032) is somebody: a user or a service. A *capability* says which operations its holder may do on all resources under a
 * prefix. A *token* carries capabilities to one key: signed by an *issuer* whom the cluster trusts, or *delegated* by the holder of another token, who can
 * only narrow what it has. A token alone is worth nothing: whoever shows it proves for each connection that it holds the key.
 */
export const ZHONGKUI_CODES = [
  'TokenMalformed', // no token, or one of a form that is never issued
  'TokenForged', // a signature that does not hold, or an issuer that is not trusted
  'TokenExpired',
  'TokenNotYetValid',
  'TokenRevoked',
  'TokenWidened', // a delegated token allows more than the one it came from, or its chain is too long
  'WrongHolder', // the proof is not of the key that the token was given to, or was made for another connection
  'RevocationsStale', // this server has not heard of revocations for longer than the bound: it lets nobody in anew
  'KeyUnsafe', // a key file that others may read
  'KeyMalformed',
  'NoSuchKey',
  'KeyExists',
  'InvalidResource', // a resource that is not in canonical form; details.resource
  'InvalidCapability',
  'JoinRefused', // a join token that is unknown, used or expired
  'CertificateRefused', // a request for a certificate that does not fit what its sender may be
] as const;
export type ZhongkuiCode = (typeof ZHONGKUI_CODES)[number];

export class ZhongkuiError extends FeitianError<ZhongkuiCode> {
  static readonly codes = ZHONGKUI_CODES;
}

/**
 * What is protected has a name: `<scheme>://<cluster>/<segment>/…`, the schemes being those below. Canonical form only (see core/resource.ts): a name that
 * could be read in two ways is refused, never repaired.
 */
export const RESOURCE_SCHEMES = ['pangu', 'nuwa', 'fuxi', 'dayu', 'shennong', 'zhongkui', 'kuafu'] as const;
export type ResourceScheme = (typeof RESOURCE_SCHEMES)[number];

/**
 * What can be done to a resource. A closed list: `admin` is for what concerns the service itself rather than somebody's data, and none includes another.
 *
 *   read   look at it           write  change it, make it, remove it
 *   run    start and stop what runs there      admin  members, drains, snapshots, keys      peer  be a part of the service itself
 */
export const OPERATIONS = ['read', 'write', 'run', 'admin', 'peer'] as const;
export type Operation = (typeof OPERATIONS)[number];

export interface Capability {
  /** Covers this resource and all below it, segment by segment: `pangu://local/a` covers `pangu://local/a/b`, not `pangu://local/ab`. `<scheme>://<cluster>/` covers the whole of a scheme. */
  readonly resource: string;
  readonly operations: readonly Operation[];
  /** @default none */
  readonly limits?: CapabilityLimits;
}

/** Of calls that name what they touch. A call is counted against every link of its token that limits it: all tokens that come from one link share what it allows. */
export interface CapabilityLimits {
  /** At each server; a second's worth may come at once. Beyond it: Overloaded, with retryAfterMs. */
  readonly callsPerSecond?: number;
  /** Of a request, with its attachment. Beyond it: PermissionDenied. */
  readonly bytesPerCall?: number;
}

/** A link of a token that limits something. */
export interface LimitedLink {
  readonly id: string;
  readonly capabilities: readonly Capability[];
}

/** What a token says, once its signatures hold. */
export interface Grant {
  /** Of the last link; unique, names it in revocations. */
  readonly id: string;
  /** `user/alice`, `service/pangu-master`, `attempt/<run>/<task>/<instance>/<attempt>`. */
  readonly name: string;
  /** Fingerprint (RFC 7638 thumbprint, base64url) of the holder's key. */
  readonly holder: string;
  readonly capabilities: readonly Capability[];
  /** Each link that has a capability with limits, from the issuer's on. */
  readonly limitedBy: readonly LimitedLink[];
  readonly notBeforeMs: number;
  /** The earliest end of all links. */
  readonly expiresAtMs: number;
  /** Ids of all links and fingerprints of all keys on the way: a revocation of any of them ends it. */
  readonly revocableBy: readonly string[];
}

/** Machines' clocks may differ by this much: a token counts from so much before its beginning until so much after its end. */
export const CLOCK_SKEW_MS_MAX = 60_000;
/** A revocation holds everywhere after this time at the latest: a server that has not heard from Nuwa for so long admits nobody anew and refuses those it knows. */
export const REVOCATION_FRESH_MS = 30_000;
/** Links of a token, the issuer's among them. */
export const CHAIN_LINKS_MAX = 8;
export const TOKEN_BYTES_MAX = 16 * 1024;

/** Where revocations stand in Nuwa: a child for each, named by the revoked id or fingerprint, its value `{ expiresAtMs, reason }` in JSON. */
export const REVOCATIONS_PATH = '/zhongkui/revoked';

/** Who a process is, and what it can give away of what it may do. */
export interface ProcessIdentity extends Identity {
  readonly name: string;
  /** Needs nobody else. Errors: TokenWidened, InvalidCapability. */
  delegate(options: {
    /** @default a new one */
    id?: string;
    /** The key that is to hold it: `x` of its JWK. */
    holder: { readonly x: string };
    name?: string;
    capabilities?: readonly Capability[];
    ttlMs: number;
  }): Promise<{ token: string; expiresAtMs: number }>;
}

/** How a process is told who it is, and whom it trusts; part of every role's configuration. */
export interface SecurityConfig {
  /** Key pair and token of this process: see keys/identity-file.ts. Readable by its owner only. */
  identityFile: string;
  /** Public keys of the issuers, and the certificates of the cluster's authority, where it has one. */
  trustFile: string;
  /** Certificate and key of this machine: Kuafu then listens and calls with TLS only. */
  tls?: { certificateFile: string; keyFile: string };
}
