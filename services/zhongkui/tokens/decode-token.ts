import { createHash } from 'node:crypto';
import { CHAIN_LINKS_MAX, type Grant, TOKEN_BYTES_MAX, ZhongkuiError } from '../contract.ts';
import { type ChainLink, grantOf } from '../core/grant.ts';
import { parseLink } from '../core/link.ts';
import { fingerprintOf } from '../keys/key-pair.ts';

/**
 * A token is a chain of links with `~` between them, each a JWS in compact form (RFC 7515). Here it is taken apart and read, every byte of it; whether its
 * signatures hold is asked in verify-token.ts.
 */
export const LINK_TYPE = 'feitian-link+jws';
const SEPARATOR = '~';

export interface DecodedToken {
  readonly grant: Grant;
  readonly cluster: string;
  readonly links: readonly ChainLink[];
  /** The links as they stand in the token. */
  readonly texts: readonly string[];
}

export const headerOf = (signer: string): { alg: 'EdDSA'; typ: string; kid: string } => ({ alg: 'EdDSA', typ: LINK_TYPE, kid: signer });

export const digestOf = (text: string): string => createHash('sha256').update(text).digest('base64url');

export function joinLinks(texts: readonly string[]): string {
  return texts.join(SEPARATOR);
}

/** Errors: TokenMalformed, TokenForged and TokenWidened, of chains that nobody can have made in good faith. */
export function decodeToken(token: unknown): DecodedToken {
  if (typeof token !== 'string' || token === '') throw malformed('there is none');
  if (token.length > TOKEN_BYTES_MAX) throw malformed(`it is longer than ${TOKEN_BYTES_MAX} bytes`);
  const texts = token.split(SEPARATOR, CHAIN_LINKS_MAX + 1);
  if (texts.length > CHAIN_LINKS_MAX) throw new ZhongkuiError('TokenWidened', `a token has at most ${CHAIN_LINKS_MAX} links`);
  const links = texts.map(decodeLink);
  return { grant: grantOf(links), cluster: links[0]!.cluster, links, texts };
}

function decodeLink(text: string): ChainLink {
  const [header, payload, signature, ...rest] = text.split('.', 4);
  if (header === undefined || payload === undefined || signature === undefined || rest.length > 0)
    throw malformed('a link is not three parts with dots between');
  const signer = signerOf(base64urlText(header));
  if (base64urlBytes(signature).length !== 64) throw malformed('a signature has not 64 bytes');
  const link = parseLink(base64urlText(payload));
  return { ...link, signer, holder: fingerprintOf(link.key), digest: digestOf(text) };
}

/**
 * A header says who signed, and nothing more: it is compared as text with the only one that there may be. So there is no other algorithm, no key or address of
 * one that the token brings along (jwk, jku, x5c), no extension that must be understood (crit), no payload outside (b64), no compression.
 */
function signerOf(text: string): string {
  const [, kid] = /"kid":"([A-Za-z0-9_-]{43})"\}$/.exec(text) ?? [];
  if (kid === undefined || text !== JSON.stringify(headerOf(kid))) throw malformed('the header of a link is not the one that there is');
  return kid;
}

/** Each sequence of bytes has one form: no padding, no bits left over, no characters that a lenient reader skips. */
function base64urlBytes(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.toString('base64url') !== text) throw malformed('a part of a link is not base64url');
  return bytes;
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function base64urlText(text: string): string {
  const bytes = base64urlBytes(text);
  try {
    return decoder.decode(bytes);
  } catch {
    throw malformed('a part of a link is not UTF-8');
  }
}

const malformed = (why: string): ZhongkuiError => new ZhongkuiError('TokenMalformed', `this is no token: ${why}`);
