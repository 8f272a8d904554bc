import { describe, expect, test } from 'vitest';
import { ArchiveCheck, type ArchiveEntry, ENTRIES_MAX, UNPACKED_BYTES_MAX } from '../../../../services/dayu/core/archive.ts';

const file = (path: string, bytes = 1): ArchiveEntry => ({ path, kind: 'file', bytes });
const directory = (path: string): ArchiveEntry => ({ path, kind: 'directory', bytes: 0 });
const symlink = (path: string, target: string): ArchiveEntry => ({ path, kind: 'symlink', bytes: 0, target });
const hardlink = (path: string, target: string): ArchiveEntry => ({ path, kind: 'hardlink', bytes: 0, target });

function problemOf(...entries: ArchiveEntry[]): string | undefined {
  const check = new ArchiveCheck();
  for (const entry of entries) {
    const problem = check.add(entry);
    if (problem) return `${problem.path} ${problem.message}`;
  }
  return undefined;
}

describe('an archive', () => {
  test.each<[string, ArchiveEntry[]]>([
    ['files in directories, named or not', [directory('./'), directory('a/'), file('a/b'), file('c/d/e')]],
    ['the same directory twice', [directory('a/'), directory('a')]],
    ['links that stay inside', [file('a/b'), symlink('c/d', '../a/b'), symlink('e', 'a'), symlink('here', '.')]],
    ['hard links to files before them', [file('a/b'), hardlink('c', 'a/b')]],
    ['names with dots', [file('..a/b..'), file('.hidden')]],
  ])('may hold %s', (_, entries) => {
    expect(problemOf(...entries)).toBeUndefined();
  });

  test.each<[string, ArchiveEntry[], RegExp]>([
    ['an absolute path', [file('/etc/passwd')], /absolute/],
    ['a path that leads outside', [file('a/../../b')], /leads out/],
    ['even one that comes back', [file('a/../b')], /leads out/],
    ['a file without a name', [file('./')], /no name/],
    ['a device', [{ path: 'null', kind: 'other', bytes: 0 }], /neither/],
    ['the same file twice', [file('a'), file('./a')], /comes twice/],
    ['a link in place of a directory', [file('a/b'), symlink('a', 'elsewhere')], /comes twice/],
    ['a file below a link', [symlink('a', 'b'), file('a/c')], /below a symlink/],
    ['a file below a file', [file('a'), file('a/c')], /below a file/],
    ['a link to an absolute path', [symlink('a', '/etc')], /absolute/],
    ['a link that leads outside', [symlink('a/b', '../../c')], /leads out/],
    ['a link that leads outside by way of another', [symlink('a/root', '..'), symlink('b', 'a/root/../c')], /".." behind a name/],
    ['a link to nothing', [symlink('a', '')], /nothing/],
    ['a hard link to nobody', [hardlink('a', 'b')], /no file before it/],
    ['a hard link that leads outside', [hardlink('a', '../b')], /leads out/],
    ['a hard link to a link', [symlink('a', 'b'), hardlink('c', 'a')], /no file before it/],
    ['too many bytes', [file('a', UNPACKED_BYTES_MAX), file('b')], /too much/],
    ['too many entries', Array.from({ length: ENTRIES_MAX + 1 }, (_, i) => file(`f${i}`)), /one too many/],
  ])('may not hold %s', (_, entries, message) => {
    expect(problemOf(...entries)).toMatch(message);
  });
});
