import { PanguError } from '../contract.ts';

/**
 * Paths are bytes with `/` between names: nothing is decoded, folded or normalised, and there is no `.` or `..`. So a file has exactly one
 * path, and "is below" is a comparison of names.
 */
export const NAME_BYTES_MAX = 255;
export const PATH_BYTES_MAX = 4096;

export interface ParsedPath {
  names: string[];
  /** Written with a `/` at its end: only a directory will do. */
  directory: boolean;
}

const encoder = new TextEncoder();
/** A half of a surrogate pair has no UTF-8 form; writing it would change the name. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Reads `/a/b` or `pangu://<cluster>/a/b`; throws EINVAL or ENAMETOOLONG. `cluster`: the only authority accepted. */
export function parsePath(path: string, cluster?: string): ParsedPath {
  let rest = path;
  const url = /^pangu:\/\/([^/]*)(.*)$/su.exec(path);
  if (url) {
    if (cluster !== undefined && url[1] !== cluster)
      throw new PanguError('EINVAL', `${path} is in cluster "${url[1]}", this one is "${cluster}"`);
    rest = url[2] === '' ? '/' : url[2]!;
  }
  if (!rest.startsWith('/')) throw new PanguError('EINVAL', `path "${path}" does not start with / or pangu://`);
  if (encoder.encode(rest).length > PATH_BYTES_MAX) throw new PanguError('ENAMETOOLONG', `a path has more than ${PATH_BYTES_MAX} bytes`);
  const names = rest.slice(1).split('/');
  const directory = names.at(-1) === '';
  if (directory) names.pop();
  for (const name of names) checkName(name, path);
  return { names, directory };
}

export function checkName(name: string, path: string): void {
  if (name === '') throw new PanguError('EINVAL', `path "${path}" has an empty name`);
  if (name === '.' || name === '..') throw new PanguError('EINVAL', `path "${path}" holds "${name}", which is no name`);
  if (name.includes('\0')) throw new PanguError('EINVAL', 'a name holds NUL');
  if (name.includes('/')) throw new PanguError('EINVAL', `name "${name}" holds a /`);
  if (LONE_SURROGATE.test(name)) throw new PanguError('EINVAL', 'a name is not well-formed Unicode');
  if (encoder.encode(name).length > NAME_BYTES_MAX) throw new PanguError('ENAMETOOLONG', `a name has more than ${NAME_BYTES_MAX} bytes`);
}

export function formatPath(names: readonly string[]): string {
  return `/${names.join('/')}`;
}

export function childPath(parent: string, name: string): string {
  return parent === '/' ? `/${name}` : `${parent}/${name}`;
}

/** `inner` is `outer` or lies below it. */
export function isWithin(inner: readonly string[], outer: readonly string[]): boolean {
  return inner.length >= outer.length && outer.every((name, i) => name === inner[i]);
}

/** Order by bytes of UTF-8, the order of Postgres' collation "C". By code points: UTF-16 units order surrogates wrongly. */
export function compareBytewise(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    if (a.charCodeAt(i) === b.charCodeAt(i)) continue;
    // Stand at the start of a pair: when the second halves differ the first are equal, and then the units decide rightly.
    return a.codePointAt(i)! - b.codePointAt(i)!;
  }
  return a.length - b.length;
}
