import { z } from 'zod';
import { type Capability, type CapabilityLimits, OPERATIONS, ZhongkuiError } from '../contract.ts';
import { CAPABILITIES_MAX, capabilitiesProblem } from './capability.ts';
import { isName } from './names.ts';
import { clusterOf } from './resource.ts';

/**
 * One link of a token: what its signer gives to the holder of a key. As text it is JSON with these claims in this order and no white space. A reader
 * writes what it read once more and compares: two readers can then never find different things in one link (a name that stands twice, a number
 * in another form, a claim that only one of them knows).
 *
 *   jti  id          aud  cluster      sub  name       cnf  the holder's public key (RFC 7800, RFC 8037)
 *   cap  capabilities      nbf, exp  seconds       prev  SHA-256 of the link before; absent in the first
 */
export interface Link {
  readonly id: string;
  readonly cluster: string;
  readonly name: string;
  /** The holder's public key: 32 bytes in base64url. */
  readonly key: string;
  readonly capabilities: readonly Capability[];
  readonly notBeforeSeconds: number;
  readonly expiresAtSeconds: number;
  readonly previous?: string;
}

const SHA256 = /^[A-Za-z0-9_-]{43}$/;
const seconds = z.number().int().min(0).max(100_000_000_000);
/** Calls in a second, and bytes of a call. */
const limits = z.strictObject({ cps: z.number().optional(), bpc: z.number().optional() });
const claims = z.strictObject({
  jti: z.string().regex(/^[A-Za-z0-9_-]{8,64}$/),
  aud: z.string(),
  sub: z.string().refine(isName),
  cnf: z.strictObject({ jwk: z.strictObject({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string().regex(SHA256) }) }),
  cap: z.array(z.strictObject({ res: z.string(), ops: z.array(z.enum(OPERATIONS)), lim: limits.optional() })).max(CAPABILITIES_MAX),
  nbf: seconds,
  exp: seconds,
  prev: z.string().regex(SHA256).optional(),
});

export function formatLink({ id, cluster, name, key, capabilities, notBeforeSeconds, expiresAtSeconds, previous }: Link): string {
  return JSON.stringify({
    jti: id,
    aud: cluster,
    sub: name,
    cnf: { jwk: { kty: 'OKP', crv: 'Ed25519', x: key } },
    cap: capabilities.map(({ resource, operations, limits }) => ({
      res: resource,
      ops: operations,
      ...(limits && { lim: limitClaims(limits) }),
    })),
    nbf: notBeforeSeconds,
    exp: expiresAtSeconds,
    ...(previous === undefined ? {} : { prev: previous }),
  });
}

export function parseLink(text: string): Link {
  const parsed = claims.safeParse(jsonOf(text));
  if (!parsed.success) throw malformed('its claims are not those of a link');
  const { jti, aud, sub, cnf, cap, nbf, exp, prev } = parsed.data;
  const link: Link = {
    id: jti,
    cluster: aud,
    name: sub,
    key: cnf.jwk.x,
    capabilities: cap.map(({ res, ops, lim }) => ({ resource: res, operations: ops, ...(lim && { limits: limitsOf(lim) }) })),
    notBeforeSeconds: nbf,
    expiresAtSeconds: exp,
    ...(prev === undefined ? {} : { previous: prev }),
  };
  if (formatLink(link) !== text) throw malformed('its claims are not in canonical form');
  const problem = linkProblem(link);
  if (problem !== undefined) throw malformed(problem);
  return link;
}

/** What is wrong with a link in itself. */
export function linkProblem({ capabilities, cluster, notBeforeSeconds, expiresAtSeconds }: Link): string | undefined {
  if (notBeforeSeconds >= expiresAtSeconds) return 'it ends before it begins';
  const elsewhere = capabilities.find(({ resource }) => clusterOf(resource) !== cluster);
  return capabilitiesProblem(capabilities) ?? (elsewhere ? `it is for ${cluster} and names what is elsewhere` : undefined);
}

const limitClaims = ({ callsPerSecond, bytesPerCall }: CapabilityLimits): z.infer<typeof limits> => ({
  cps: callsPerSecond,
  bpc: bytesPerCall,
});
const limitsOf = ({ cps, bpc }: z.infer<typeof limits>): CapabilityLimits => ({
  ...(cps === undefined ? {} : { callsPerSecond: cps }),
  ...(bpc === undefined ? {} : { bytesPerCall: bpc }),
});

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const malformed = (why: string): ZhongkuiError => new ZhongkuiError('TokenMalformed', `a link of the token is none: ${why}`);
