import { isDatabaseAway } from '../../base/database.ts';
import type { ShennongContext } from '../context.ts';
import { ShennongError } from '../contract.ts';
import { parseAlerts } from '../core/alerts.ts';
import { type HttpAnswer, HttpProblem } from '../http.ts';

/**
 * Alertmanager's webhook. It sends again what was answered with 5xx, and not what was answered with 4xx: so an absent Postgres is the one, a body
 * that makes no sense the other.
 */
export async function alerts({ store, events, log }: ShennongContext, text: string): Promise<HttpAnswer> {
  const parsed = parseAlerts(jsonOf(text));
  if (!parsed.ok) throw new HttpProblem(400, new ShennongError('BadAlerts', parsed.problem).message);
  try {
    const changed = await store.record(parsed.anomalies);
    for (const { alert, state, node, summary } of changed) {
      events.inc({ alert, status: state });
      log[state === 'firing' ? 'warn' : 'info']({ alert, node, summary }, `alert.${state}`);
    }
    return { body: { received: parsed.anomalies.length, changed: changed.length } };
  } catch (error) {
    if (isDatabaseAway(error)) throw new HttpProblem(503, 'Postgres is away: send it again');
    throw error;
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new HttpProblem(400, new ShennongError('BadAlerts', `the body is not JSON: ${(error as Error).message}`).message);
  }
}
