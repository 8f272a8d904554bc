import { type Capability, OPERATIONS, type Operation, ZhongkuiError } from '../contract.ts';
import { formatLimits, isWithinLimits, limitsProblem, parseLimits } from './limits.ts';
import { covers, cut, resourceProblem } from './resource.ts';

/**
 * Capabilities are added up: whoever has several may do what any of them says, and nothing takes away from another. So *narrower* is a question for each
 * operation on each resource by itself, and a child may take its operations from several capabilities of its parents.
 */

/** Of one token: each call looks through them the first time it names a resource. */
export const CAPABILITIES_MAX = 64;

export function allows(capabilities: readonly Capability[], operation: string, resource: string): boolean {
  return coveringCapability(capabilities, operation, resource) !== undefined;
}

/** The first capability that lets this through. `resource` is canonical. */
export function coveringCapability(capabilities: readonly Capability[], operation: string, resource: string): Capability | undefined {
  for (const capability of capabilities)
    if (capability.operations.includes(operation as Operation) && covers(capability.resource, resource)) return capability;
  return undefined;
}

/** Each operation that the child allows under its prefix is allowed on all of that prefix, and as often, by one of the parents. */
export function isNarrower(child: Capability, parents: readonly Capability[]): boolean {
  return child.operations.every((operation) =>
    parents.some(
      ({ resource, operations, limits }) =>
        operations.includes(operation) && covers(resource, child.resource) && isWithinLimits(child.limits, limits),
    ),
  );
}

/** `wanted`, if it is no more than `parents`. */
export function narrow(parents: readonly Capability[], wanted: readonly Capability[]): readonly Capability[] {
  const wider = wanted.find((capability) => !isNarrower(capability, parents));
  if (wider) throw new ZhongkuiError('TokenWidened', `${formatCapability(wider)} is more than the token that it comes from allows`);
  return wanted;
}

/** What is wrong with them, as a sentence; undefined when they may stand in a token. */
export function capabilitiesProblem(capabilities: readonly Capability[]): string | undefined {
  if (capabilities.length > CAPABILITIES_MAX) return `a token has at most ${CAPABILITIES_MAX} capabilities`;
  for (const { resource, operations, limits } of capabilities) {
    const problem = resourceProblem(resource) ?? limitsProblem(limits);
    if (problem !== undefined) return `${JSON.stringify(cut(String(resource)))} ${problem}`;
    if (operations.length === 0) return `${cut(resource)} comes with no operation`;
    if (new Set(operations).size < operations.length) return `${cut(resource)} names an operation twice`;
    const unknown = operations.find((operation) => !OPERATIONS.includes(operation));
    if (unknown !== undefined) return `${JSON.stringify(cut(String(unknown)))} is none of ${OPERATIONS.join(', ')}`;
  }
  return undefined;
}

export function checkCapabilities(capabilities: readonly Capability[]): readonly Capability[] {
  const problem = capabilitiesProblem(capabilities);
  if (problem !== undefined) throw new ZhongkuiError('InvalidCapability', problem);
  return capabilities;
}

/** `pangu://local/books:read,write;callsPerSecond=10`, as people write it. The last `:` ends the resource. */
export function parseCapability(text: string): Capability {
  const colon = text.lastIndexOf(':');
  const resource = text.slice(0, colon);
  if (colon < 0 || text.startsWith('//', colon + 1))
    throw new ZhongkuiError('InvalidCapability', `${JSON.stringify(cut(text))} is not <resource>:<operation>,<operation>`);
  const [operations, ...rest] = text.slice(colon + 1).split(';');
  const limits = parseLimits(rest);
  if (typeof limits === 'string') throw new ZhongkuiError('InvalidCapability', `${JSON.stringify(cut(text))}: ${limits}`);
  const capability: Capability = { resource, operations: operations!.split(',') as Operation[], ...(limits && { limits }) };
  checkCapabilities([capability]);
  return capability;
}

export const formatCapability = ({ resource, operations, limits }: Capability): string =>
  `${resource}:${operations.join(',')}${formatLimits(limits)}`;
