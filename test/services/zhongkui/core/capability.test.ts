import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hasCode } from '../../../../services/base/errors.ts';
import type { Capability } from '../../../../services/zhongkui/contract.ts';
import {
  allows,
  CAPABILITIES_MAX,
  checkCapabilities,
  formatCapability,
  isNarrower,
  narrow,
  parseCapability,
} from '../../../../services/zhongkui/core/capability.ts';
import { capabilities, childrenOf, localResource, operation } from '../arbitraries.ts';

const can = (resource: string, ...operations: Capability['operations']): Capability => ({ resource, operations });

describe('a capability', () => {
  test.each([
    [can('pangu://local/a', 'read'), [can('pangu://local/a', 'read', 'write')], true],
    [can('pangu://local/a/b', 'read'), [can('pangu://local/a', 'read')], true],
    [can('pangu://local/a', 'read'), [can('pangu://local/a/b', 'read')], false],
    [can('pangu://local/ab', 'read'), [can('pangu://local/a', 'read')], false],
    [can('pangu://local/a', 'write'), [can('pangu://local/a', 'read')], false],
    [can('pangu://local/a', 'read', 'write'), [can('pangu://local/a', 'read'), can('pangu://local/', 'write')], true],
    [can('nuwa://local/a', 'read'), [can('pangu://local/', 'read')], false],
    [can('pangu://local/a', 'admin'), [can('pangu://local/a', 'read', 'write', 'run', 'peer')], false],
    [can('pangu://local/a', 'read'), [], false],
  ])('%j is narrower than %j: %s', (child, parents, narrower) => {
    expect(isNarrower(child, parents)).toBe(narrower);
  });

  test('is read as people write it', () => {
    const capability = parseCapability('pangu://local/a:b:read,write');
    expect(capability).toEqual(can('pangu://local/a:b', 'read', 'write'));
    expect(formatCapability(capability)).toBe('pangu://local/a:b:read,write');
  });

  test.each(['', 'pangu://local/a', 'pangu://local/a:', 'pangu://local/a:fly', 'pangu://local/a:read,read', 'pangu://local/../a:read'])(
    'is refused as people should not write it: %j',
    (text) => {
      expect(() => parseCapability(text)).toThrow(expect.objectContaining({ code: 'InvalidCapability' }));
    },
  );

  test('is one of a bounded number', () => {
    const many = Array.from({ length: CAPABILITIES_MAX + 1 }, (_, i) => can(`pangu://local/${i}`, 'read'));
    expect(() => checkCapabilities(many)).toThrow(expect.objectContaining({ code: 'InvalidCapability' }));
    expect(checkCapabilities(many.slice(1))).toHaveLength(CAPABILITIES_MAX);
  });
});

test('what was narrowed never allows what its parent does not, over three generations', () => {
  const family = capabilities().chain((parents) =>
    childrenOf(parents).chain((children) => childrenOf(children).map((grandchildren) => ({ parents, children, grandchildren }))),
  );
  let narrowed = 0;
  fc.assert(
    fc.property(family, operation, localResource, ({ parents, children, grandchildren }, op, resource) => {
      for (const [parent, child] of [
        [parents, children],
        [children, grandchildren],
      ] as const) {
        try {
          narrow(parent, child);
        } catch (error) {
          expect(hasCode(error, 'TokenWidened')).toBe(true);
          return;
        }
        if (child.length > 0) narrowed++;
        if (allows(child, op, resource)) expect(allows(parent, op, resource)).toBe(true);
      }
      if (allows(grandchildren, op, resource)) expect(allows(parents, op, resource)).toBe(true);
    }),
    { numRuns: 4_000 },
  );
  // Else the test would have looked at nothing.
  expect(narrowed).toBeGreaterThan(500);
});

test('what is refused as wider allows something that its parent does not', () => {
  fc.assert(
    fc.property(
      capabilities().chain((parents) => childrenOf(parents).map((children) => ({ parents, children }))),
      ({ parents, children }) => {
        for (const child of children) {
          const more = child.operations.some((op) => !allows(parents, op, child.resource));
          expect(isNarrower(child, parents)).toBe(!more);
        }
      },
    ),
    { numRuns: 1_000 },
  );
});
