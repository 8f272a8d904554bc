import { z } from 'zod';
import { defineService, method } from '../../../../services/kuafu/contract.ts';
import { NuwaError } from '../../../../services/nuwa/contract.ts';

/** Says which process answered. */
export const whoService = defineService('who', {
  errors: NuwaError,
  methods: {
    who: method({ request: z.object({ key: z.string().optional() }), response: z.object({ who: z.string() }), idempotent: true }),
  },
});
