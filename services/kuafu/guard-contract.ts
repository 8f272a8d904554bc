/**
 * The port between Kuafu and who decides (Zhongkui). Kuafu carries credentials and asks; it knows neither keys nor tokens.
 *
 * A server opens each connection with a fresh *challenge*. A caller answers it once for each identity that it uses on that connection: its
 * *credentials* are what it may do and the proof, over this very challenge, that it holds the key they were given to. What the guard makes of them, a *caller*, is
 * kept by the connection, so that a call costs one look into memory.
 */
export interface Challenge {
  /** 32 bytes, fresh for each connection. */
  readonly nonce: Uint8Array;
  /** The cluster that the server belongs to, as it says in its hello. */
  readonly cluster: string;
  /** What only the two ends of this very TLS connection know (RFC 9266 tls-exporter); absent without TLS. A proof made for one connection is none on another. */
  readonly binding?: Uint8Array;
}

/** As they travel: at most CREDENTIALS_BYTES_MAX together. */
export interface Credentials {
  readonly token: string;
  readonly proof: Uint8Array;
}
export const CREDENTIALS_BYTES_MAX = 32 * 1024;

/** The caller's side: whom a client speaks for. */
export interface Identity {
  /** Changes when there are new credentials to be shown: connections then show them before the next call. */
  readonly version: number;
  present(challenge: Challenge): Credentials;
}

/** The server's side. */
export interface Guard {
  /** Throws FeitianError: why these credentials are none (forged, expired, revoked, not the holder's). */
  admit(credentials: Credentials, challenge: Challenge): Promise<Caller> | Caller;
  /** Each refusal, for the audit log; `caller` is NOBODY where nobody was admitted. */
  refused(caller: Caller, method: string, operation: string, resource: string, reason: string): void;
  /** Each call that was let through, for the audit log: called once a call, so it must be cheap. */
  allowed(caller: Caller, method: string, operation: string, resource: string): void;
}

export interface Caller {
  /** For people and logs: `user/alice`, `service/pangu-master`. */
  readonly name: string;
  /** Fingerprint of the key; empty for NOBODY. */
  readonly key: string;
  /** Undefined: allowed, now. Otherwise why not, in one sentence. Called for each call: answers from memory, and notices by itself that a token expired or was revoked. */
  refusal(operation: string, resource: string): string | undefined;
  /**
   * For a caller that may do only so much: counts a call that `refusal` let through, once for all that it touches, right before it runs. Undefined: it may run.
   * `bytes`: of the request, with its attachment. No resources: the call names none, `operation` is the scheme of its subsystem, and it counts against whatever of that has room.
   */
  limit?(operation: string, resources: string | readonly string[], bytes: number): CallLimit | undefined;
  /** Once the credentials as a whole are no good any more (expired, revoked): why; calls are then `Unauthenticated`. */
  ended(): string | undefined;
}

/** Why a call is more than its caller may; without `retryAfterMs` it would be at any time. */
export interface CallLimit {
  readonly reason: string;
  readonly retryAfterMs?: number;
}

export const NOBODY: Caller = {
  name: 'nobody',
  key: '',
  refusal: () => 'no identity came with the call',
  ended: () => undefined,
};
