import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareBytewise, isWithin, parsePath } from '../../../../services/pangu/core/path.ts';

describe('paths', () => {
  it.each([
    ['/', [], true],
    ['/a', ['a'], false],
    ['/a/b/', ['a', 'b'], true],
    ['pangu://local/a/b', ['a', 'b'], false],
    ['pangu://local', [], true],
    ['pangu://local/', [], true],
    ['/a b/\u00fc\n*', ['a b', '\u00fc\n*'], false],
    ['/...', ['...'], false],
  ])('reads %j', (path, names, directory) => {
    expect(parsePath(path, 'local')).toEqual({ names, directory });
  });

  it.each([
    ['', 'EINVAL'],
    ['a', 'EINVAL'],
    ['//a', 'EINVAL'],
    ['/a//b', 'EINVAL'],
    ['/a/./b', 'EINVAL'],
    ['/..', 'EINVAL'],
    ['/a\0', 'EINVAL'],
    ['/\ud800', 'EINVAL'],
    ['pangu://other/a', 'EINVAL'],
    [`/${'\u00e4'.repeat(128)}`, 'ENAMETOOLONG'],
    ['/a'.repeat(2049), 'ENAMETOOLONG'],
  ])('refuses %j with %s', (path, code) => {
    expect(() => parsePath(path, 'local')).toThrow(expect.objectContaining({ code }));
  });

  it('orders as the bytes of UTF-8 do', () => {
    // Few code points, of every length in UTF-8 and around the surrogates, so that strings share prefixes.
    const text = fc
      .array(fc.constantFrom('a', 'b', '\u00fc', '\ud7ff', '\uff5e', '\u{10000}', '\u{1f600}', '\u{10ffff}'), { maxLength: 6 })
      .map((all) => all.join(''));
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(Math.sign(compareBytewise(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
    );
    expect(compareBytewise('\u{1f600}', '\uff5e')).toBeGreaterThan(0);
  });

  it('tells what is below a directory from what merely begins like it', () => {
    expect(isWithin(['a', 'b'], ['a'])).toBe(true);
    expect(isWithin(['a'], ['a'])).toBe(true);
    expect(isWithin(['ab'], ['a'])).toBe(false);
  });
});
