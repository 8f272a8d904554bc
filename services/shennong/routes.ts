import type { ShennongContext } from './context.ts';
import { EVENTS_DEFAULT, EVENTS_MAX, eventsLimit } from './contract.ts';
import { HttpProblem, type Routes } from './http.ts';
import { alerts } from './ops/alerts.ts';
import { events } from './ops/events.ts';

/** What Shennong answers by HTTP: to Prometheus, to Alertmanager, to whoever looks. */
export function routes(context: ShennongContext): Routes {
  return {
    'GET /sd': () => ({ body: context.targets() }),
    'POST /alerts': async ({ text }) => alerts(context, await text()),
    'GET /events': ({ query }) => events(context, { limit: limitOf(query.get('limit')) }).then((body) => ({ body })),
    'GET /healthz': () => ({ body: { status: 'ok' } }),
  };
}

function limitOf(text: string | null): number {
  if (text === null) return EVENTS_DEFAULT;
  const parsed = eventsLimit.safeParse(text);
  if (!parsed.success) throw new HttpProblem(400, `limit is a whole number from 1 to ${EVENTS_MAX}`);
  return parsed.data;
}
