import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { covers, formatResource, isResource, parseResource, RESOURCE_BYTES_MAX } from '../../../../services/zhongkui/core/resource.ts';
import { path, resource } from '../arbitraries.ts';

describe('the name of a resource', () => {
  test.each([
    ['pangu://local/', 'pangu', 'local', []],
    ['pangu://local/a/b', 'pangu', 'local', ['a', 'b']],
    ['fuxi://quota/dev', 'fuxi', 'quota', ['dev']],
    ['kuafu://c-1/service/method', 'kuafu', 'c-1', ['service', 'method']],
    ['pangu://local/a b/*.txt', 'pangu', 'local', ['a b', '*.txt']],
    ['pangu://local/...', 'pangu', 'local', ['...']],
    ['pangu://local/.hidden', 'pangu', 'local', ['.hidden']],
    ['pangu://local/é飞', 'pangu', 'local', ['é飞']],
    ['pangu://local/a?b#c', 'pangu', 'local', ['a?b#c']],
    ['pangu://local/\u{1f600}', 'pangu', 'local', ['\u{1f600}']],
    ['pangu://local/100%25', 'pangu', 'local', ['100%25']],
    // Of a file whose name has these four letters: nothing is decoded twice.
    ['pangu://local/a%252fb', 'pangu', 'local', ['a%252fb']],
    ['pangu://local/a%5Cb', 'pangu', 'local', ['a%5Cb']],
    ['pangu://local/a%0A', 'pangu', 'local', ['a%0A']],
    ['pangu://local/e%CC%81', 'pangu', 'local', ['e%CC%81']],
    ['pangu://local/%E2%80%AEtxt.a', 'pangu', 'local', ['%E2%80%AEtxt.a']],
    [`pangu://local/${'%25'.repeat(255)}`, 'pangu', 'local', ['%25'.repeat(255)]],
  ])('is read: %j', (text, scheme, cluster, segments) => {
    expect(parseResource(text)).toEqual({ scheme, cluster, segments });
  });

  test.each([
    ['', 'nothing'],
    ['pangu', 'a word'],
    ['pangu://', 'no cluster'],
    ['pangu:///a', 'an empty cluster'],
    ['pangu://local', 'no slash after the cluster'],
    ['PANGU://local/a', 'a scheme in capitals'],
    ['file://local/a', 'an unknown scheme'],
    ['pangu:/local/a', 'half a separator'],
    ['pangu://Local/a', 'a cluster in capitals'],
    ['pangu://lo.cal/a', 'a cluster with a dot'],
    ['pangu://user@local/a', 'a user before the cluster'],
    ['pangu://local:80/a', 'a port'],
    ['pangu://local/a/', 'a slash at the end'],
    ['pangu://local//a', 'an empty segment'],
    ['pangu://local/a//b', 'an empty segment within'],
    ['pangu://local/.', 'a dot'],
    ['pangu://local/..', 'two dots'],
    ['pangu://local/a/../b', 'two dots within'],
    ['pangu://local/a/./b', 'a dot within'],
    ['pangu://local/a/..', 'two dots at the end'],
    ['pangu://local/%2e%2e/b', 'encoded dots'],
    ['pangu://local/a%2fb', 'an encoded slash'],
    ['pangu://local/100%', 'a percent sign that begins nothing'],
    ['pangu://local/%2E', 'an encoded dot'],
    ['pangu://local/%41', 'an encoded letter'],
    ['pangu://local/%5c', 'a backslash in small letters'],
    ['pangu://local/%5', 'half an escape'],
    ['pangu://local/%5C%', 'a percent sign after an escape'],
    ['pangu://local/%00', 'NUL, encoded'],
    ['pangu://local/%C3%A9', 'an encoded letter in form C'],
    ['pangu://local/%C3', 'half a character'],
    ['pangu://local/e%CC%81%', 'an accent apart and a percent sign'],
    ['pangu://local/%ED%A0%80', 'half of a pair, encoded'],
    ['pangu://local/%C0%AF', 'a slash in more bytes than it takes'],
    ['pangu://local/%25%', 'a percent sign and one more'],
    [`pangu://local/${'%25'.repeat(256)}`, 'a segment too long, escaped'],
    ['pangu://local/a\\b', 'a backslash'],
    ['pangu://local/a\0', 'NUL'],
    ['pangu://local/a\nb', 'a line feed'],
    ['pangu://local/a\x7f', 'DEL'],
    ['pangu://local/a\x85', 'a control of C1'],
    ['pangu://local/a\u2028', 'a line separator'],
    ['pangu://local/\u202etxt.a', 'a mark that turns the direction'],
    ['pangu://local/\ufeffa', 'a byte order mark'],
    ['pangu://local/\ud800', 'half of a pair'],
    ['pangu://local/a\udc00b', 'the other half'],
    ['pangu://local/e\u0301', 'a letter and its accent apart (NFD)'],
    ['pangu://local/\u212b', 'a sign that NFC writes otherwise'],
    [' pangu://local/a', 'a blank before it'],
    [`pangu://local/${'a'.repeat(256)}`, 'a segment too long'],
    [`pangu://local/${'é'.repeat(128)}`, 'a segment too long in UTF-8'],
    [`pangu://local${'/a'.repeat(RESOURCE_BYTES_MAX)}`, 'all of it too long'],
  ])('is refused, not repaired: %j (%s)', (text) => {
    expect(() => parseResource(text)).toThrow(expect.objectContaining({ code: 'InvalidResource' }));
    expect(isResource(text)).toBe(false);
  });

  test('round-trips whenever it is accepted, whatever the text', () => {
    const parts = fc.array(
      fc.constantFrom('pangu', '://', 'local', '/', 'a', '..', '.', '%2f', '\\', '\0', 'é', 'e\u0301', '\ud83d', '\ude00', ' ', 'A', ':'),
      { maxLength: 12 },
    );
    const text = fc.oneof(
      resource,
      parts.map((all) => all.join('')),
      parts.map((all) => `pangu://local/${all.join('')}`),
      fc.string({ unit: 'binary' }).map((rest) => `pangu://local/${rest}`),
    );
    fc.assert(
      fc.property(text, (each) => {
        if (!isResource(each)) return;
        const parsed = parseResource(each);
        expect(formatResource(parsed)).toBe(each);
        expect(parsed.segments.every((segment) => segment !== '' && segment !== '.' && segment !== '..' && !/[/\\]/.test(segment))).toBe(
          true,
        );
        expect(each.normalize('NFC')).toBe(each);
      }),
      { numRuns: 150 },
    );
  });

  test('is compared in bounded time, however long it is', () => {
    const startMs = performance.now();
    for (const text of [`pangu://local/${'/'.repeat(1e6)}`, `pangu://local/${'é'.repeat(4_200)}`, 'x'.repeat(1e7)])
      expect(isResource(text)).toBe(false);
    expect(performance.now() - startMs).toBeLessThan(2_000);
  });
});

describe('a prefix', () => {
  test.each([
    ['pangu://local/a', 'pangu://local/a', true],
    ['pangu://local/a', 'pangu://local/a/b', true],
    ['pangu://local/a', 'pangu://local/ab', false],
    ['pangu://local/a', 'pangu://local/a b', false],
    ['pangu://local/a/b', 'pangu://local/a', false],
    ['pangu://local/', 'pangu://local/', true],
    ['pangu://local/', 'pangu://local/a', true],
    ['pangu://local/', 'pangu://local2/a', false],
    ['pangu://local/', 'nuwa://local/a', false],
    ['pangu://local/A', 'pangu://local/a', false],
  ])('%s covers %s: %s', (prefix, name, covered) => {
    expect(covers(prefix, name)).toBe(covered);
  });

  test('covers what a comparison segment by segment says', () => {
    const naive = (prefix: string, name: string): boolean => {
      const [a, b] = [parseResource(prefix), parseResource(name)];
      return a.scheme === b.scheme && a.cluster === b.cluster && a.segments.every((segment, i) => b.segments[i] === segment);
    };
    const below = fc.tuple(resource, path).map(([prefix, more]) => [prefix, [prefix.replace(/\/$/, ''), ...more].join('/')] as const);
    fc.assert(
      fc.property(fc.oneof(fc.tuple(resource, resource), below), ([prefix, name]) => {
        if (isResource(name)) expect(covers(prefix, name)).toBe(naive(prefix, name));
      }),
      { numRuns: 300 },
    );
  });
});
