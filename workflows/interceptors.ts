import {
  defaultPayloadConverter,
  type WorkflowInboundCallsInterceptor,
  type WorkflowInterceptors,
  type WorkflowInterceptorsFactory,
  type WorkflowOutboundCallsInterceptor,
  workflowInfo,
} from '@temporalio/workflow';
import { childTrace, traceIdOf, traceOfRun } from '../services/base/traceparent.ts';

/**
 * Every run has a trace (see services/base/traceparent.ts): the one its starter sent in the header `traceparent`, or its own. Activities and children get
 * a part of it. Nothing here is a command of its own, so histories replay with and without.
 */
type Headers = Record<string, ReturnType<typeof defaultPayloadConverter.toPayload>>;

class Inbound implements WorkflowInboundCallsInterceptor {
  readonly #trace: { current: string | undefined };

  constructor(trace: { current: string | undefined }) {
    this.#trace = trace;
  }

  async execute(...[input, next]: Parameters<NonNullable<WorkflowInboundCallsInterceptor['execute']>>): Promise<unknown> {
    const { traceparent } = input.headers;
    const sent = traceparent === undefined ? undefined : defaultPayloadConverter.fromPayload<unknown>(traceparent);
    if (typeof sent === 'string' && traceIdOf(sent) !== undefined) this.#trace.current = sent;
    return await next(input);
  }
}

class Outbound implements WorkflowOutboundCallsInterceptor {
  readonly #trace: { current: string | undefined };

  constructor(trace: { current: string | undefined }) {
    this.#trace = trace;
  }

  async scheduleActivity(
    ...[input, next]: Parameters<NonNullable<WorkflowOutboundCallsInterceptor['scheduleActivity']>>
  ): Promise<unknown> {
    return await next({ ...input, headers: this.#with(input.headers, `activity ${input.seq}`) });
  }

  async startChildWorkflowExecution(
    ...[input, next]: Parameters<NonNullable<WorkflowOutboundCallsInterceptor['startChildWorkflowExecution']>>
  ) {
    return await next({ ...input, headers: this.#with(input.headers, `child ${input.seq}`) });
  }

  async continueAsNew(...[input, next]: Parameters<NonNullable<WorkflowOutboundCallsInterceptor['continueAsNew']>>) {
    return await next({ ...input, headers: this.#with(input.headers, 'next run') });
  }

  #with(headers: Headers, part: string): Headers {
    const { current } = this.#trace;
    return current === undefined ? headers : { ...headers, traceparent: defaultPayloadConverter.toPayload(childTrace(current, part)) };
  }
}

export const interceptors: WorkflowInterceptorsFactory = (): WorkflowInterceptors => {
  const trace = { current: traceOfRun(workflowInfo().runId) };
  return { inbound: [new Inbound(trace)], outbound: [new Outbound(trace)] };
};
