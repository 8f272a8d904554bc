import { z } from 'zod';
import { type AnyMethod, type Implementation, KuafuError, type ServiceContract, type ServiceHandlers } from '../contract.ts';
import { operationOf } from '../core/access.ts';
import { type HealthState, type MethodDescription, reflectionService, type ServiceDescription } from '../reflection-contract.ts';

/** Answers for the contracts of a server: the same types that its calls are checked with are what it shows. */
export function reflectionOf(contracts: readonly ServiceContract[], health: () => HealthState): Implementation {
  const served = [...contracts, reflectionService as unknown as ServiceContract];
  let described: ServiceDescription[] | undefined;
  const handlers: ServiceHandlers<typeof reflectionService> = {
    describe: async ({ service }) => {
      described ??= served.map(describeService);
      const services = service === undefined ? described : described.filter(({ name }) => name === service);
      if (services.length === 0) throw new KuafuError('Unimplemented', `no service ${service} here`);
      return { services };
    },
    health: async () => ({ services: Object.fromEntries(served.map(({ name }) => [name, health()])) }),
  };
  return { contract: reflectionService as unknown as ServiceContract, handlers };
}

function describeService({ name, methods }: ServiceContract): ServiceDescription {
  return { name, methods: Object.entries(methods).map(([name, method]) => describeMethod(name, method)) };
}

function describeMethod(name: string, method: AnyMethod): MethodDescription {
  return {
    name,
    kind: method.kind,
    idempotent: method.kind === 'unary' && method.idempotent,
    replyAttachment: method.kind === 'unary' && method.replyAttachment,
    access: method.access && operationOf(method.access),
    request: jsonSchema(method.request, 'input'),
    response: jsonSchema(method.response, 'output'),
    ...(method.kind === 'stream' ? { up: jsonSchema(method.up, 'input'), down: jsonSchema(method.down, 'output') } : {}),
  };
}

/** What JSON has no word for (bytes, no value at all) is described as anything. */
function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  const { $schema: _, ...described } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Record<string, unknown>;
  return described;
}
