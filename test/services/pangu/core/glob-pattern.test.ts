import picomatch from 'picomatch';
import { describe, expect, it } from 'vitest';
import { parseGlob } from '../../../../services/pangu/core/glob-pattern.ts';

function matches(pattern: string, name: string): boolean {
  const [segment] = parseGlob(`/${pattern}`, 'local');
  if (segment!.kind === 'deep') throw new Error('deep');
  return segment!.kind === 'literal' ? segment!.name === name : picomatch(segment!.pattern, { dot: true })(name);
}

describe('glob patterns', () => {
  it.each([
    ['*.txt', 'a.txt', true],
    ['*.txt', '.txt', true],
    ['*.txt', 'atxt', false],
    ['*', '.hidden', true],
    ['?', '\u00fc', true],
    ['part-[0-9]*', 'part-00', true],
    ['[!a]b', 'cb', true],
    ['[!a]b', 'ab', false],
    ['{a,bc}.x', 'bc.x', true],
    ['{a,bc}.x', 'abc.x', false],
    ['a\\*', 'a*', true],
    ['a\\*', 'ab', false],
    ['(a|b)*', 'a', false],
    ['(a|b)*', '(a|b)c', true],
    ['!*', 'a', false],
    ['!*', '!a', true],
    ['a+*', 'aa', false],
    ['a+*', 'a+', true],
    ['*(x)', 'x', false],
    ['*(x)', 'a(x)', true],
    ['report (1).txt', 'report (1).txt', true],
    ['a.b*', 'axb', false],
  ])('%j over %j: %j', (pattern, name, expected) => {
    expect(matches(pattern, name)).toBe(expected);
  });

  it('goes straight to names without wildcards, and takes ** for any number of directories', () => {
    expect(parseGlob('pangu://local/a/b*/**/c', 'local').map(({ kind }) => kind)).toEqual(['literal', 'wild', 'deep', 'literal']);
  });

  it.each(['a/*', '/a//b', '/{a,b/c}', '/[a', 'pangu://other/*'])('refuses %j', (pattern) => {
    expect(() => parseGlob(pattern, 'local')).toThrow(expect.objectContaining({ code: 'EINVAL' }));
  });
});
