import { z } from 'zod';
import { defineService, KuafuError, method, streamMethod } from '../../../services/kuafu/contract.ts';

const bytes: z.ZodType<Uint8Array> = z.instanceof(Uint8Array);
const blob = z.object({ data: bytes });
const count = z.object({ messages: z.number().int().nonnegative() });

export const echoResource = (cluster: string): string => `kuafu://${cluster}/echo`;

/** What every system of the bench offers. The messages of streams are attachments. */
export const echoContract = defineService('echo', {
  errors: KuafuError,
  methods: {
    unary: method({ request: blob, response: blob, access: { operation: 'read', on: (_, cluster) => echoResource(cluster) } }),
    up: streamMethod({ request: z.object({}), response: count, up: z.null(), access: 'open' }),
    down: streamMethod({ request: count, response: z.null(), down: z.null(), access: 'open' }),
  },
});
