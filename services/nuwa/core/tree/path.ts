import { PATH_BYTES_MAX, SEGMENT_BYTES_MAX } from '../../contract.ts';

/** Names of the way from the root, which is `[]`; or in one sentence why it is no path. */
export type ParsedPath = { segments: string[]; problem?: undefined } | { segments?: undefined; problem: string };

export function parsePath(path: string): ParsedPath {
  if (path === '/') return { segments: [] };
  if (!path.startsWith('/')) return { problem: 'a path begins with /' };
  if (bytesAbove(path, PATH_BYTES_MAX)) return { problem: pathTooLong() };
  const segments = path.slice(1).split('/');
  let at = 1;
  for (const segment of segments) {
    const problem = segmentProblem(segment, at);
    if (problem) return { problem };
    at += segment.length + 1;
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
  return segmentProblem(name, path.length - name.length) ?? (bytesAbove(path, PATH_BYTES_MAX) ? pathTooLong() : undefined);
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

/** `at`: where in the path it begins. */
function segmentProblem(segment: string, at: number): string | undefined {
  if (segment === '') return `a path has no empty segments (there is one at ${at})`;
  if (segment === '.' || segment === '..') return `a path has no segments . and .. (there is one at ${at})`;
  for (let i = 0; i < segment.length; i++)
    if (isRefused(segment.charCodeAt(i))) return `a path has no ${unitName(segment.charCodeAt(i))} (there is one at ${at + i})`;
  if (bytesAbove(segment, SEGMENT_BYTES_MAX)) return `a segment has at most ${SEGMENT_BYTES_MAX} bytes`;
  return undefined;
}

/**
 * What ZooKeeper's `PathUtils` refuses, so that every path is one for all clients of both doors: control characters, which cannot be seen; surrogates, of
 * which a half has no bytes of its own, so that two such names would be one on the disk; what is for private use; and what is no character.
 */
function isRefused(unit: number): boolean {
  if (unit < 0x7f) return unit < 0x20;
  return unit <= 0x9f || (unit >= 0xd800 && unit <= 0xf8ff) || unit >= 0xfff0;
}

function unitName(unit: number): string {
  return `U+${unit.toString(16).toUpperCase().padStart(4, '0')}`;
}

/** A UTF-16 unit takes at most three bytes of UTF-8, so nearly every text is judged by its length alone. */
function bytesAbove(text: string, bytesMax: number): boolean {
  return text.length * 3 > bytesMax && new TextEncoder().encode(text).length > bytesMax;
}
