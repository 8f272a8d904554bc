/**
 * What an archive may hold: nothing that would be written, or read through a link, outside the directory that it is unpacked into. Asked of every entry in
 * order before the first byte is written; the same rules hold when an archive is made, so that whoever packs hears of it first.
 *
 *   1. paths are relative, without `..`, and each comes once
 *   2. what lies above an entry is a directory: nothing is written through a link
 *   3. the target of a symbolic link is relative and stays inside; `..` comes first in it or not at all, for `a/..` may be anywhere when `a` is a link
 *   4. a hard link names a file that came before
 *   5. there are files, directories and links only, no more of them and no more bytes than the bounds say
 */
import type { Problem } from '../contract.ts';

export interface ArchiveEntry {
  path: string;
  kind: 'file' | 'directory' | 'symlink' | 'hardlink' | 'other';
  /** Of a file, unpacked. */
  bytes: number;
  /** Of a link. */
  target?: string;
}

/** A service with all of its modules has some thousand files and some hundred MiB; more than this is a mistake or an attack. */
export const ENTRIES_MAX = 50_000;
export const UNPACKED_BYTES_MAX = 2 * 1024 ** 3;
export const PACKAGE_BYTES_MAX = 512 * 1024 ** 2;

/** Whether a relative path steps out of the directory it begins in. */
export function leadsOutside(path: string): boolean {
  let depth = 0;
  for (const segment of path.split('/')) {
    if (segment === '..') depth--;
    else if (segment !== '' && segment !== '.') depth++;
    if (depth < 0) return true;
  }
  return false;
}

export class ArchiveCheck {
  readonly #kinds = new Map<string, ArchiveEntry['kind']>();
  #bytes = 0;

  /** @returns what is wrong with the next entry, if anything is. */
  add(entry: ArchiveEntry): Problem | undefined {
    const refuse = (message: string): Problem => ({ path: entry.path, message });
    if (entry.path.startsWith('/') || /^[A-Za-z]:/.test(entry.path)) return refuse('is an absolute path, here or on another system');
    if (entry.path.includes('\\')) return refuse('has a backslash, which is a separator on other systems');
    const segments = entry.path.split('/').filter((segment) => segment !== '' && segment !== '.');
    if (segments.includes('..')) return refuse('leads out of the package');
    const path = segments.join('/');
    if (path === '') return entry.kind === 'directory' ? undefined : refuse('is no name');
    if (entry.kind === 'other') return refuse('is neither a file, nor a directory, nor a link');

    for (let i = 1; i < segments.length; i++) {
      const above = this.#kinds.get(segments.slice(0, i).join('/'));
      if (above !== undefined && above !== 'directory') return refuse(`lies below a ${above}`);
      this.#kinds.set(segments.slice(0, i).join('/'), 'directory');
    }
    const before = this.#kinds.get(path);
    if (before !== undefined && !(before === 'directory' && entry.kind === 'directory')) return refuse('comes twice');
    const link = this.#linkProblem(entry, segments);
    if (link) return refuse(link);

    this.#kinds.set(path, entry.kind);
    if (this.#kinds.size > ENTRIES_MAX) return refuse(`is one too many: a package holds at most ${ENTRIES_MAX} files and directories`);
    this.#bytes += entry.bytes;
    if (this.#bytes > UNPACKED_BYTES_MAX) return refuse(`is too much: a package holds at most ${UNPACKED_BYTES_MAX} bytes`);
    return undefined;
  }

  #linkProblem({ kind, target = '' }: ArchiveEntry, segments: string[]): string | undefined {
    if (kind === 'hardlink') {
      const aim = target.split('/').filter((segment) => segment !== '' && segment !== '.');
      if (target.startsWith('/') || aim.includes('..')) return `is a hard link that leads out of the package: ${target}`;
      return this.#kinds.get(aim.join('/')) === 'file' ? undefined : `is a hard link to ${target}, which is no file before it`;
    }
    if (kind !== 'symlink') return undefined;
    if (target === '') return 'is a link to nothing';
    if (target.startsWith('/')) return `is a link to an absolute path: ${target}`;
    if (leadsOutside([...segments.slice(0, -1), target].join('/'))) return `is a link that leads out of the package: ${target}`;
    const steps = target.split('/').filter((segment) => segment !== '' && segment !== '.');
    const firstName = steps.findIndex((segment) => segment !== '..');
    return firstName >= 0 && steps.lastIndexOf('..') > firstName ? `is a link with ".." behind a name: ${target}` : undefined;
  }
}
