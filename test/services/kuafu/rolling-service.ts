import { z } from 'zod';
import { defineService, method } from '../../../services/kuafu/contract.ts';
import { EchoError } from './echo.ts';

/** Calls that take their time, so that some are always under way: one that may be sent again, and one that may not. */
const request = z.object({ holdMs: z.number() });
const response = z.object({ who: z.string() });

export const rollingService = defineService('rolling', {
  errors: EchoError,
  methods: {
    again: method({ request, response, idempotent: true }),
    once: method({ request, response }),
  },
});
