import fc from 'fast-check';
import { expect, test } from 'vitest';
import { escapePath } from '../../../../../services/base/escape-segment.ts';
import { parsePath } from '../../../../../services/nuwa/core/tree/path.ts';
import { newNodeResource, operationResources, pathResource } from '../../../../../services/nuwa/core/tree/resources.ts';

test('the resource of a path is the path, and what is no path has none', () => {
  const piece = fc.oneof(
    fc.constantFrom('/', '/', '/', '.', '..', 'a', '%', '\0', '\t', 'é', '\ud800', 'x'.repeat(130)),
    fc.string({ maxLength: 3 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const path = `/${pieces.join('')}`;
      if (parsePath(path).problem === undefined) expect(pathResource({ path }, 'local')).toBe(`nuwa://local${escapePath(path)}`);
      else expect(() => pathResource({ path }, 'local')).toThrow(/^BadPath: /);
    }),
    { numRuns: 3_000 },
  );
});

test.each([
  ['/zhongkui', 'zhongkui://local/'],
  ['/zhongkui/revoked', 'zhongkui://local/revoked'],
  ['/zhongkui/revoked/a%', 'zhongkui://local/revoked/a%25'],
  ['/zhongkuix', 'nuwa://local/zhongkuix'],
  ['/a/zhongkui', 'nuwa://local/a/zhongkui'],
  ['/', 'nuwa://local/'],
])('what Zhongkui keeps in the tree is its own: %s is %s', (path, resource) => {
  expect(pathResource({ path }, 'local')).toBe(resource);
});

test('a sequential node may be named by its counter alone, below the directory that is asked of', () => {
  expect(newNodeResource({ path: '/locks/', sequential: true }, 'local')).toBe('nuwa://local/locks/0');
  expect(newNodeResource({ path: '/locks/l-', sequential: true }, 'local')).toBe('nuwa://local/locks/l-0');
  expect(() => newNodeResource({ path: '/locks/' }, 'local')).toThrow(/BadPath/);
});

test('a transaction touches the node of each of its operations', () => {
  const operations = [
    { kind: 'check', path: '/a' },
    { kind: 'create', path: '/b/', sequential: true },
    { kind: 'delete', path: '/' },
  ];
  expect(operationResources(operations, 'local')).toEqual(['nuwa://local/a', 'nuwa://local/b/0', 'nuwa://local/']);
});
