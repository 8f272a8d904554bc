import { eq } from 'drizzle-orm';
import type { Registry } from 'prom-client';
import type { Clock } from '../../base/clock.ts';
import type { Database } from '../../base/database.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { createMetrics, processRegistry, tellWhenAsked } from '../../base/metrics.ts';
import { DAYU_MASTER_METRICS } from '../metrics.ts';
import { placements, rollouts } from '../tables.ts';

type Samples = { labels: Record<string, string>; value: number }[];

/**
 * The figures are in the tables; they are read when somebody asks for them. While Postgres is away there are none, and the rest of the process is told.
 * @returns how to stop telling
 */
export function tellMetrics(from: { db: Database; clock: Clock; log: Logger; registry?: Registry }): () => void {
  const { db, clock, log, registry = processRegistry } = from;
  const metrics = createMetrics(DAYU_MASTER_METRICS, registry);
  const reading = (read: () => Promise<Samples>) => (): Promise<Samples> =>
    read().catch((error) => {
      log.warn({ error: messageOf(error) }, 'metrics.not_read');
      return [];
    });
  const stops = [
    tellWhenAsked(
      metrics.placements,
      reading(async () => {
        const { application, version, node } = placements;
        return (await db.select({ application, version, node }).from(placements)).map((labels) => ({ labels, value: 1 }));
      }),
    ),
    tellWhenAsked(
      metrics.rolloutSeconds,
      reading(async () => {
        const running = await db.select().from(rollouts).where(eq(rollouts.state, 'running'));
        return running.map(({ application, version, workflowId, startedAt }) => ({
          labels: { application, version, workflow_id: workflowId },
          value: (clock.nowMs() - startedAt.getTime()) / 1000,
        }));
      }),
    ),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}
