import type { Context } from '@temporalio/activity';
import { defaultPayloadConverter } from '@temporalio/common';
import type { ActivityInterceptors } from '@temporalio/worker';
import { withTrace } from '../../services/base/trace.ts';

/** Activities run within the trace that their workflow sent (workflows/interceptors.ts), so that their Kuafu calls carry it. */
export function traceActivities(_context: Context): ActivityInterceptors {
  return {
    inbound: {
      async execute(input, next) {
        const { traceparent } = input.headers;
        const sent = traceparent === undefined ? undefined : defaultPayloadConverter.fromPayload<unknown>(traceparent);
        return await withTrace(typeof sent === 'string' ? sent : undefined, () => next(input));
      },
    },
  };
}
