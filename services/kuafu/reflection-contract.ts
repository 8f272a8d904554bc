import { z } from 'zod';
import { defineService, KuafuError, method } from './contract.ts';

/** What every server says about itself, beside what its services do: what can be called here, and whether it takes calls. */
export const REFLECTION_SERVICE = 'kuafu';

/** JSON Schema (draft 2020-12). Bytes have none; they are `{}` there. */
const schema = z.record(z.string(), z.unknown());

export const methodDescriptionSchema = z.object({
  name: z.string(),
  kind: z.enum(['unary', 'stream']),
  idempotent: z.boolean(),
  replyAttachment: z.boolean(),
  /** `open`, `identified`, or the operation that its caller must be allowed; absent: nobody may call it where there is a guard. */
  access: z.string().optional(),
  request: schema,
  response: schema,
  /** Of a stream: a message from the caller, and one to it. */
  up: schema.optional(),
  down: schema.optional(),
});
export type MethodDescription = z.infer<typeof methodDescriptionSchema>;

export const serviceDescriptionSchema = z.object({ name: z.string(), methods: z.array(methodDescriptionSchema) });
export type ServiceDescription = z.infer<typeof serviceDescriptionSchema>;

/** `draining`: calls under way end well, new ones are refused. */
export const HEALTH_STATES = ['serving', 'draining'] as const;
export type HealthState = (typeof HEALTH_STATES)[number];

export const reflectionService = defineService(REFLECTION_SERVICE, {
  errors: KuafuError,
  methods: {
    /** All services of this server, or the one of that name. Errors: Unimplemented (it is not here). */
    describe: method({
      request: z.object({ service: z.string().optional() }),
      response: z.object({ services: z.array(serviceDescriptionSchema) }),
      idempotent: true,
      access: 'identified',
    }),
    /** Whoever balances load or restarts servers has to ask, before it has any identity: it says nothing about anybody's data. */
    health: method({
      request: z.object({}),
      response: z.object({ services: z.record(z.string(), z.enum(HEALTH_STATES)) }),
      idempotent: true,
      access: 'open',
    }),
  },
});
