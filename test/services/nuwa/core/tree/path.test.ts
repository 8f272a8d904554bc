import { describe, expect, it } from 'vitest';
import { isUnder, parsePath } from '../../../../../services/nuwa/core/tree/path.ts';

describe('a path', () => {
  it.each([
    ['/', []],
    ['/a', ['a']],
    ['/a/b', ['a', 'b']],
    ['/...', ['...']],
    ['/ space', [' space']],
    [`/${'x'.repeat(255)}`, ['x'.repeat(255)]],
    [`/${'女'.repeat(85)}`, ['女'.repeat(85)]],
    ['/\u{1f600}', ['\u{1f600}']],
  ])('%s is taken apart', (path, segments) => {
    expect(parsePath(path)).toEqual({ segments });
  });

  it.each([
    ['', 'begins with /'],
    ['a', 'begins with /'],
    ['//', 'empty'],
    ['/a/', 'empty'],
    ['/a//b', 'empty'],
    ['/.', '. and ..'],
    ['/a/../b', '. and ..'],
    ['/a\0', 'NUL'],
    [`/${'x'.repeat(256)}`, '255 bytes'],
    [`/${'女'.repeat(86)}`, '255 bytes'],
    [`/${'a/'.repeat(2048)}a`, '4096 bytes'],
    ['/\ud83d', 'Unicode'],
  ])('%j is refused', (path, why) => {
    expect(parsePath(path).problem).toContain(why);
  });

  it('lies under another only by whole segments', () => {
    expect(isUnder('/a', '/a', false)).toBe(true);
    expect(isUnder('/a/b', '/a', false)).toBe(false);
    expect(isUnder('/a/b/c', '/a', true)).toBe(true);
    expect(isUnder('/ab', '/a', true)).toBe(false);
    expect(isUnder('/anything', '/', true)).toBe(true);
    expect(isUnder('/', '/', true)).toBe(true);
    expect(isUnder('/', '/a', true)).toBe(false);
  });
});
