import { escapeSegment, unescapeSegment } from '../../base/escape-segment.ts';
import { RESOURCE_SCHEMES, type ResourceScheme, ZhongkuiError } from '../contract.ts';

/**
 * Names of what is protected, `pangu://local/books/a.txt`. A name is compared, never resolved: so it has one form, and whatever could be read in a
 * second way by somebody else (a decoder, a file system, a person) is refused rather than put right. To put right would be to guess what the other one reads.
 *
 *   1. scheme and cluster in lower case; the whole of a scheme is `<scheme>://<cluster>/`, and no other name ends in `/`
 *   2. no segment is empty, `.` or `..`
 *   3. no `\`, and a `%` only as an escape (base/escape-segment.ts) of what rules 3 and 4 forbid: of those two, controls and marks of direction, and of text in another normal form.
 *      So a name in a tree has one name as a resource, `%2F`, `%2e` and `%41` are none, and nothing is ever decoded to be compared
 *   4. well-formed Unicode in normal form C, without control characters, line separators and marks that turn the direction of writing
 *   5. bounded: RESOURCE_BYTES_MAX in all, SEGMENT_BYTES_MAX each, as Pangu's paths are; an escape counts as the byte that it stands for
 *
 * `?`, `#`, `*` and blanks are plain characters: there are no queries, fragments or patterns here.
 */
export const RESOURCE_BYTES_MAX = 4096 + 128; // Pangu's longest path, and what stands before it
export const SEGMENT_BYTES_MAX = 255;

export interface Resource {
  readonly scheme: ResourceScheme;
  readonly cluster: string;
  /** Empty: the whole of the scheme. */
  readonly segments: readonly string[];
}

const CLUSTER = /^[a-z0-9][a-z0-9-]{0,62}$/;
/** Letters, digits and what is harmless among the rest of ASCII: normal by itself, one byte a character. */
const PLAIN = /^[\x20-\x24\x26-\x5b\x5d-\x7e]*$/;
/** Rules 3 and 4 but for escapes and the normal form: `\`, controls (C0, DEL, C1), separators of lines and paragraphs, and the marks of Unicode's UAX 9. */
const FORBIDDEN = /[\\]|\p{Cc}|\p{Zl}|\p{Zp}|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u;

export function parseResource(text: string): Resource {
  const problem = resourceProblem(text);
  if (problem !== undefined) throw new ZhongkuiError('InvalidResource', `${quote(text)} ${problem}`, { details: { resource: cut(text) } });
  const at = text.indexOf('://');
  const path = text.indexOf('/', at + 3);
  const rest = text.slice(path + 1);
  return {
    scheme: text.slice(0, at) as ResourceScheme,
    cluster: text.slice(at + 3, path),
    segments: rest === '' ? [] : rest.split('/'),
  };
}

export function formatResource({ scheme, cluster, segments }: Resource): string {
  return `${scheme}://${cluster}/${segments.join('/')}`;
}

/** What is wrong with it, as the end of a sentence; undefined for a canonical name. */
export function resourceProblem(text: unknown): string | undefined {
  if (typeof text !== 'string') return 'is no text';
  if (text.length > 3 * RESOURCE_BYTES_MAX) return tooLong();
  const at = text.indexOf('://');
  if (at < 0 || !RESOURCE_SCHEMES.includes(text.slice(0, at) as ResourceScheme))
    return `does not begin with one of ${RESOURCE_SCHEMES.map((scheme) => `${scheme}://`).join(', ')}`;
  const path = text.indexOf('/', at + 3);
  if (path < 0) return 'has no / after its cluster';
  if (!CLUSTER.test(text.slice(at + 3, path))) return 'has a cluster that is not made of lower-case letters, digits and dashes';
  const rest = text.slice(path + 1);
  if (rest === '') return undefined;
  const ascii = PLAIN.test(rest);
  if (!ascii) {
    if (/\p{Cs}/u.test(rest)) return 'is not well-formed Unicode';
    const found = FORBIDDEN.exec(rest)?.[0];
    if (found !== undefined) return `holds a character that could be read in two ways: write ${escapeSegment(found)} for it`;
    if (rest.normalize('NFC') !== rest) return 'is not in Unicode normal form C';
  }
  if (bytesOf(text, ascii) > RESOURCE_BYTES_MAX) return tooLong();
  for (let start = 0; start <= rest.length; ) {
    const slash = rest.indexOf('/', start);
    const end = slash < 0 ? rest.length : slash;
    const problem = segmentProblem(rest.slice(start, end), ascii);
    if (problem !== undefined) return problem;
    start = end + 1;
  }
  return undefined;
}

function segmentProblem(segment: string, ascii: boolean): string | undefined {
  if (segment === '') return 'has an empty segment';
  if (segment === '.' || segment === '..') return `has the segment ${segment}`;
  if (segment.includes('%')) {
    const name = unescapeSegment(segment);
    if (name === undefined || name.includes('\0'))
      return `has the segment ${JSON.stringify(cut(segment))}: only what must be escaped is, in capitals, a % as %25`;
  }
  if (bytesOf(segment, ascii) > SEGMENT_BYTES_MAX) return `has a segment longer than ${SEGMENT_BYTES_MAX} bytes`;
  return undefined;
}

export const isResource = (text: unknown): text is string => resourceProblem(text) === undefined;

/** `resource` is what `prefix` names, or lies below it. Both are canonical, so that no segment need be taken apart: it is the same, or goes on with a `/`. */
export function covers(prefix: string, resource: string): boolean {
  if (!resource.startsWith(prefix)) return false;
  if (resource.length === prefix.length) return true;
  return resource.charCodeAt(prefix.length) === SLASH || prefix.charCodeAt(prefix.length - 1) === SLASH;
}

const SLASH = 0x2f;

/** The cluster of a canonical name. */
export const clusterOf = (resource: string): string => {
  const start = resource.indexOf('://') + 3;
  return resource.slice(start, resource.indexOf('/', start));
};

const tooLong = (): string => `is longer than ${RESOURCE_BYTES_MAX} bytes`;

/** Of what it stands for. */
function bytesOf(text: string, ascii: boolean): number {
  if (ascii) return text.length;
  const bytes = utf8Bytes(text);
  return bytes - 2 * (text.split('%').length - 1);
}

/** For texts that are well-formed. */
function utf8Bytes(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff)) bytes += 2;
    else bytes += 3;
  }
  return bytes;
}

const CUT_CHARACTERS = 200;
/** What is shown of a text that somebody else wrote: not more than so much of it, nothing that a terminal would act upon. */
export const cut = (text: string): string => (text.length > CUT_CHARACTERS ? `${text.slice(0, CUT_CHARACTERS)}…` : text);
const quote = (text: unknown): string => (typeof text === 'string' ? JSON.stringify(cut(text)) : 'a resource');
