import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { escapePath } from '../../../../services/base/escape-segment.ts';
import { formatPath, parsePath } from '../../../../services/pangu/core/path.ts';
import { pathResource, publicationResources } from '../../../../services/pangu/core/resources.ts';

describe('the resource of a path', () => {
  test('is the path as the operations read it, or there is none', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '/',
        '/',
        '/',
        '.',
        '..',
        'a',
        'b c',
        '%2f',
        '\\',
        '\0',
        '\t',
        '\x7f',
        'é',
        '飞',
        '\ud800',
        'pangu://',
        'local',
        'x'.repeat(130),
      ),
      fc.string({ maxLength: 3 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), fc.boolean(), (pieces, rooted) => {
        const path = (rooted ? '/' : '') + pieces.join('');
        let expected: string | undefined;
        try {
          expected = `pangu://local${escapePath(formatPath(parsePath(path, 'local').names))}`;
        } catch (error) {
          expect(() => pathResource(path, 'local')).toThrow((error as Error).message);
          return;
        }
        expect(pathResource(path, 'local')).toBe(expected);
      }),
      { numRuns: 5_000 },
    );
  });

  test.each([
    ['/', 'pangu://local/'],
    ['/a/b', 'pangu://local/a/b'],
    ['/a/b/', 'pangu://local/a/b'],
    ['/...', 'pangu://local/...'],
    ['/.a/a.', 'pangu://local/.a/a.'],
    ['pangu://local', 'pangu://local/'],
    ['pangu://local/a', 'pangu://local/a'],
    ['/100%', 'pangu://local/100%25'],
    ['/a\\b/c\n', 'pangu://local/a%5Cb/c%0A'],
  ])('%s is %s', (path, resource) => {
    expect(pathResource(path, 'local')).toBe(resource);
  });
});

test('a publication touches what appears and what moves', () => {
  const publications = [{ directory: '/out/', files: [{ from: '/tmp/1', name: 'part-0' }] }];
  expect(publicationResources(publications, 'local')).toEqual(['pangu://local/out', 'pangu://local/tmp/1', 'pangu://local/out/part-0']);
  expect(publicationResources([], 'local')).toEqual(['pangu://local/']);
  expect(() => publicationResources([{ directory: '/out', files: [{ from: '/a', name: '..' }] }], 'local')).toThrow(/EINVAL/);
});
