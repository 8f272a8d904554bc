import { describe, expect, it } from 'vitest';
import { childProblem, isUnder, parsePath } from '../../../../../services/nuwa/core/tree/path.ts';

describe('a path', () => {
  it.each([
    ['/', []],
    ['/a', ['a']],
    ['/a/b', ['a', 'b']],
    ['/...', ['...']],
    ['/ space', [' space']],
    [`/${'x'.repeat(255)}`, ['x'.repeat(255)]],
    [`/${'女'.repeat(85)}`, ['女'.repeat(85)]],
    ['/~\u00a0\ud7ff\uf900\uffef', ['~\u00a0\ud7ff\uf900\uffef']],
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
    ['/a\0', 'no U+0000 (there is one at 2)'],
    ['/a/b\x01c', 'no U+0001 (there is one at 4)'],
    ['/\x1f', 'U+001F'],
    ['/\x7f', 'U+007F'],
    ['/\x9f', 'U+009F'],
    ['/\uf8ff', 'U+F8FF'],
    ['/\ufff0', 'U+FFF0'],
    ['/\uffff', 'U+FFFF'],
    ['/a/\u{1f600}', 'U+D83D (there is one at 3)'],
    ['/a/b//c', 'empty segments (there is one at 5)'],
    ['/a/..', '. and .. (there is one at 3)'],
    [`/${'x'.repeat(256)}`, '255 bytes'],
    [`/${'女'.repeat(86)}`, '255 bytes'],
    [`/${'a/'.repeat(2048)}a`, '4096 bytes'],
    ['/\ud83d', 'U+D83D'],
    ['/\udfff', 'U+DFFF'],
    // What bytes that are no UTF-8 come out as.
    ['/\ufffd', 'U+FFFD'],
  ])('%j is refused', (path, why) => {
    expect(parsePath(path).problem).toContain(why);
  });

  it('is judged alike where only its last name is new', () => {
    for (const name of ['\x01', '\ud83d', '.', '..', '', 'x\x7f'])
      expect(childProblem(`/a/b/${name}`, name)).toBe(parsePath(`/a/b/${name}`).problem);
    expect(childProblem('/a/b/fine', 'fine')).toBeUndefined();
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
