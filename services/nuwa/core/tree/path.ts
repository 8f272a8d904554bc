import { PATH_BYTES_MAX, SEGMENT_BYTES_MAX } from '../../contract.ts';

/** Names of the way from the root, which is `[]`; or in one sentence why it is no path. */
export type ParsedPath = { segments: string[]; problem?: undefined } | { segments?: undefined; problem: string };

export function parsePath(path: string): ParsedPath {
  if (path === '/') return { segments: [] };
  if (!path.startsWith('/')) return { problem: 'a path begins with /' };
  if (bytesAbove(path, PATH_BYTES_MAX)) return { problem: pathTooLong() };
  const segments = path.slice(1).split('/');
  for (const segment of segments) {
    const problem = segmentProblem(segment);
    if (problem) return { problem };
  }
  return { segments };
}

/** The parent of a path that is not the root's. */
export function parentPath(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash <= 0 ? '/' : path.slice(0, slash);
}

/** The last name of a path that is not the root's. */
export function lastName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** In one sentence why no child of this name can stand under a parent that is there, or undefined. */
export function childProblem(path: string, name: string): string | undefined {
  return segmentProblem(name) ?? (bytesAbove(path, PATH_BYTES_MAX) ? pathTooLong() : undefined);
}

export function joinPath(segments: readonly string[]): string {
  return `/${segments.join('/')}`;
}

export function childPath(parent: string, name: string): string {
  return parent === '/' ? `/${name}` : `${parent}/${name}`;
}

/** Whether `path` is `root` itself or, with `recursive`, lies below it. */
export function isUnder(path: string, root: string, recursive: boolean): boolean {
  if (path === root) return true;
  if (!recursive) return false;
  return root === '/' || (path.length > root.length && path.charCodeAt(root.length) === SLASH && path.startsWith(root));
}

const SLASH = 47;
/** Not a constant: the contract reads paths too, so this file may be the first of the two to be run. */
const pathTooLong = (): string => `a path has at most ${PATH_BYTES_MAX} bytes`;

function segmentProblem(segment: string): string | undefined {
  if (segment === '') return 'a path has no empty segments';
  if (segment === '.' || segment === '..') return 'a path has no segments . and ..';
  if (segment.includes('\0')) return 'a path has no NUL';
  // Half a surrogate pair has no bytes of its own: two such names would be one on the disk.
  if (!isAscii(segment) && /\p{Surrogate}/u.test(segment)) return 'a path is valid Unicode';
  if (bytesAbove(segment, SEGMENT_BYTES_MAX)) return `a segment has at most ${SEGMENT_BYTES_MAX} bytes`;
  return undefined;
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}

/** A UTF-16 unit takes at most three bytes of UTF-8, so nearly every text is judged by its length alone. */
function bytesAbove(text: string, bytesMax: number): boolean {
  return text.length * 3 > bytesMax && new TextEncoder().encode(text).length > bytesMax;
}
