import fc from 'fast-check';
import { type Capability, type CapabilityLimits, OPERATIONS, type Operation } from '../../../services/zhongkui/contract.ts';

/** Few segments, so that names meet, cover each other and nearly do. */
const segment = fc.constantFrom('a', 'ab', 'b', 'a b', 'é', '…', 'A', '*', 'a.b');
export const path = fc.array(segment, { maxLength: 4 });
export const resource = fc
  .tuple(fc.constantFrom('pangu', 'nuwa'), fc.constantFrom('local', 'other'), path)
  .map(([scheme, cluster, segments]) => `${scheme}://${cluster}/${segments.join('/')}`);
export const localResource = fc
  .tuple(fc.constantFrom('pangu', 'nuwa'), path)
  .map(([scheme, segments]) => `${scheme}://local/${segments.join('/')}`);
export const operation = fc.constantFrom<Operation>(...OPERATIONS);
export const operations = fc.uniqueArray(operation, { minLength: 1 });
const count = fc.integer({ min: 1, max: 4 });
export const limits: fc.Arbitrary<CapabilityLimits> = fc.oneof(
  fc.record({ callsPerSecond: count }),
  fc.record({ bytesPerCall: count }),
  fc.record({ callsPerSecond: count, bytesPerCall: count }),
);
/** Half of them without limits. */
const limited = (of: fc.Arbitrary<Capability>): fc.Arbitrary<Capability> =>
  fc.tuple(of, fc.option(limits)).map(([capability, limits]) => (limits ? { ...capability, limits } : capability));
export const capabilities = (of: fc.Arbitrary<string> = localResource): fc.Arbitrary<Capability[]> =>
  fc.array(limited(fc.record({ resource: of, operations })), { maxLength: 5 });

/** Capabilities of which most come from the parents: at their prefix or below, with operations of theirs, and now and then one more. */
export const childrenOf = (parents: readonly Capability[]): fc.Arbitrary<Capability[]> => {
  if (parents.length === 0) return capabilities();
  const below = fc
    .tuple(
      fc.constantFrom(...parents),
      path,
      fc.integer({ min: 0, max: 4 }),
      operation,
      fc.oneof({ weight: 3, arbitrary: fc.constant('kept') }, limits),
    )
    .map(([parent, segments, strange, other, limits]) => ({
      ...(limits === 'kept' ? parent.limits && { limits: parent.limits } : { limits }),
      resource: [parent.resource.replace(/\/$/, ''), ...segments].join('/').replace(/^(\w+:\/\/\w+)$/, '$1/'),
      operations: strange === 0 ? [other] : parent.operations,
    }));
  return fc.array(
    fc.oneof({ weight: 6, arbitrary: below }, { weight: 1, arbitrary: limited(fc.record({ resource: localResource, operations })) }),
    {
      maxLength: 3,
    },
  );
};
