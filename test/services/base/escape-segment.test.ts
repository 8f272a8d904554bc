import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hasCode } from '../../../services/base/errors.ts';
import { escapeSegment, unescapeSegment } from '../../../services/base/escape-segment.ts';
import { parsePath } from '../../../services/pangu/core/path.ts';
import { pathResource } from '../../../services/pangu/core/resources.ts';
import { covers, isResource } from '../../../services/zhongkui/core/resource.ts';

describe('a name as a segment', () => {
  test.each([
    ['a b.txt', 'a b.txt'],
    ['飞é', '飞é'],
    ['100%', '100%25'],
    ['%25', '%2525'],
    ['%2F', '%252F'],
    ['a\\b', 'a%5Cb'],
    ['\t\x7f\x85', '%09%7F%C2%85'],
    ['\u2028\u202e\ufeff', '%E2%80%A8%E2%80%AE%EF%BB%BF'],
    ['e\u0301', 'e%CC%81'],
    ['飞e\u0301', '%E9%A3%9Ee%CC%81'],
    // An escape's last letter would take the accent.
    ['\n\u0301', '%0A%CC%81'],
    ['\u{1f600}', '\u{1f600}'],
  ])('%j is %s', (name, segment) => {
    expect(escapeSegment(name)).toBe(segment);
    expect(unescapeSegment(segment)).toBe(name);
  });
});

/** Names as strange as Pangu allows, which meet and nearly meet. */
const piece = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      'a',
      'A',
      '%',
      '2',
      '5',
      'F',
      '%25',
      '%2F',
      '%0A',
      '\\',
      '\n',
      '\x7f',
      '\x85',
      'é',
      'e',
      '\u0301',
      '\u0338',
      '\u202e',
      '\ufeff',
      '\u2028',
      '.',
      ' ',
      '飞',
      '\u{1f600}',
      '=',
      '\u212b',
      'Å',
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 2 }) },
);
const name = fc.array(piece, { minLength: 1, maxLength: 4 }).map((pieces) => pieces.join(''));
const path = fc.array(name, { maxLength: 3 }).map((names) => `/${names.join('/')}`);

/** Undefined: Pangu has no such path. */
function resourceOfPath(text: string): { names: string[]; resource: string } | undefined {
  try {
    return { names: parsePath(text).names, resource: pathResource(text, 'local') };
  } catch (error) {
    if (hasCode(error, 'EINVAL') || hasCode(error, 'ENAMETOOLONG')) return undefined;
    throw error;
  }
}

test('every path of Pangu has a name as a resource, from which it can be read again', () => {
  let strange = 0;
  fc.assert(
    fc.property(path, (text) => {
      const found = resourceOfPath(text);
      if (!found) return;
      expect(isResource(found.resource), found.resource).toBe(true);
      const segments = found.resource.slice('pangu://local/'.length).split('/');
      expect(found.names.length === 0 ? [''] : segments.map(unescapeSegment)).toEqual(found.names.length === 0 ? segments : found.names);
      if (found.resource.includes('%')) strange++;
    }),
    { numRuns: 6_000 },
  );
  expect(strange).toBeGreaterThan(500);
});

test('two paths have resources of which one covers the other just where one is the other or lies below it', () => {
  let below = 0;
  const pair = fc.oneof(
    fc.tuple(path, path),
    fc.tuple(path, path).map(([a, b]) => [a, `${a}${b}`] as const),
    // The same letters in another form.
    path.map((a) => [a, a.normalize('NFD')] as const),
    path.map((a) => [a, a.normalize('NFC')] as const),
    path.map((a) => [a, encodeURI(a)] as const),
    path.map((a) => [a, a.split('/').map(escapeSegment).join('/')] as const),
  );
  fc.assert(
    fc.property(pair, ([a, b]) => {
      const [outer, inner] = [resourceOfPath(a), resourceOfPath(b)];
      if (!outer || !inner) return;
      const isBelow = outer.names.every((each, i) => each === inner.names[i]) && inner.names.length >= outer.names.length;
      expect(covers(outer.resource, inner.resource)).toBe(isBelow);
      if (isBelow && outer.names.length > 0) below++;
    }),
    { numRuns: 6_000 },
  );
  expect(below).toBeGreaterThan(500);
});

test('a segment is read only in the form in which it is written', () => {
  let read = 0;
  const segment = fc
    .array(fc.oneof(piece, fc.constantFrom('%0A', '%5C', '%CC%81', '%C3%A9', '%0a', '%5', '%E2%80%AE')), { minLength: 1, maxLength: 4 })
    .map((pieces) => pieces.join(''));
  fc.assert(
    fc.property(segment, (text) => {
      const found = unescapeSegment(text);
      if (found === undefined) return;
      read++;
      expect(escapeSegment(found)).toBe(text);
    }),
    { numRuns: 4_000 },
  );
  expect(read).toBeGreaterThan(300);
});
