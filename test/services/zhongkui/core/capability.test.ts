import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hasCode } from '../../../../services/base/errors.ts';
import type { Capability, CapabilityLimits } from '../../../../services/zhongkui/contract.ts';
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

const limited = (capability: Capability, callsPerSecond?: number, bytesPerCall?: number): Capability => ({
  ...capability,
  limits: { ...(callsPerSecond ? { callsPerSecond } : {}), ...(bytesPerCall ? { bytesPerCall } : {}) },
});
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
    [can('pangu://local/a', 'read'), [limited(can('pangu://local/a', 'read'), 10)], false],
    [limited(can('pangu://local/a', 'read'), 10), [can('pangu://local/a', 'read')], true],
    [limited(can('pangu://local/a', 'read'), 10), [limited(can('pangu://local/a', 'read'), 10)], true],
    [limited(can('pangu://local/a', 'read'), 11), [limited(can('pangu://local/a', 'read'), 10)], false],
    [limited(can('pangu://local/a', 'read'), 9), [limited(can('pangu://local/a', 'read'), 10, 100)], false],
    [limited(can('pangu://local/a', 'read'), 9, 100), [limited(can('pangu://local/a', 'read'), undefined, 100)], true],
    [can('pangu://local/a/b', 'read'), [limited(can('pangu://local/a', 'read'), 10), can('pangu://local/a/b', 'read')], true],
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

  test('is read with its limits, in any order, and written in one', () => {
    const text = 'pangu://local/a;b:read,write;bytesPerCall=4096;callsPerSecond=10';
    const capability = limited(can('pangu://local/a;b', 'read', 'write'), 10, 4096);
    expect(parseCapability(text)).toEqual(capability);
    expect(formatCapability(capability)).toBe('pangu://local/a;b:read,write;callsPerSecond=10;bytesPerCall=4096');
    expect(parseCapability(formatCapability(capability))).toEqual(capability);
  });

  test.each([
    '',
    'fast',
    'callsPerSecond',
    'callsPerSecond=',
    'callsPerSecond=0',
    'callsPerSecond=-1',
    'callsPerSecond=1.5',
    'callsPerSecond=1e3',
    'bytesPerCall=99999999999999',
    'callsPerSecond=1;callsPerSecond=2',
    'toString=1',
  ])('is refused with limits that are none: %j', (limits) => {
    expect(() => parseCapability(`pangu://local/a:read;${limits}`)).toThrow(expect.objectContaining({ code: 'InvalidCapability' }));
  });

  test('is one of a bounded number', () => {
    const many = Array.from({ length: CAPABILITIES_MAX + 1 }, (_, i) => can(`pangu://local/${i}`, 'read'));
    expect(() => checkCapabilities(many)).toThrow(expect.objectContaining({ code: 'InvalidCapability' }));
    expect(checkCapabilities(many.slice(1))).toHaveLength(CAPABILITIES_MAX);
  });
});

/** The most that any of them allows of this; 0: none allows it at all. */
function most(capabilities: readonly Capability[], op: string, resource: string, name: keyof CapabilityLimits): number {
  const covering = capabilities.filter((capability) => allows([capability], op, resource));
  return Math.max(0, ...covering.map(({ limits }) => limits?.[name] ?? Number.POSITIVE_INFINITY));
}

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
        for (const name of ['callsPerSecond', 'bytesPerCall'] as const)
          expect(most(child, op, resource, name)).toBeLessThanOrEqual(most(parent, op, resource, name));
      }
      if (allows(grandchildren, op, resource)) expect(allows(parents, op, resource)).toBe(true);
    }),
    { numRuns: 800 },
  );
  // Else the test would have looked at nothing.
  expect(narrowed).toBeGreaterThan(100);
});

test('what is refused as wider allows something that its parent does not, where there are no limits', () => {
  const bare = ({ limits: _, ...capability }: Capability): Capability => capability;
  fc.assert(
    fc.property(
      capabilities().chain((parents) => childrenOf(parents).map((children) => ({ parents, children }))),
      (drawn) => {
        const [parents, children] = [drawn.parents.map(bare), drawn.children.map(bare)];
        for (const child of children) {
          const more = child.operations.some((op) => !allows(parents, op, child.resource));
          expect(isNarrower(child, parents)).toBe(!more);
        }
      },
    ),
    { numRuns: 300 },
  );
});
