import { eq } from 'drizzle-orm';
import type { Registry } from 'prom-client';
import type { Clock } from '../../base/clock.ts';
import type { Database } from '../../base/database.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { createMetrics, processRegistry } from '../../base/metrics.ts';
import { DAYU_MASTER_METRICS } from '../metrics.ts';
import { placements, rollouts } from '../tables.ts';

/** The figures are in the tables; they are read when somebody asks for them. While Postgres is away there are none, and the rest of the process is told. */
export function tellMetrics({
  db,
  clock,
  log,
  registry = processRegistry,
}: {
  db: Database;
  clock: Clock;
  log: Logger;
  registry?: Registry;
}): void {
  const { placements: placed, rolloutSeconds } = createMetrics(DAYU_MASTER_METRICS, registry);
  whenAsked(placed, async () => {
    const { application, version, node } = placements;
    for (const labels of await db.select({ application, version, node }).from(placements)) placed.set(labels, 1);
  });
  whenAsked(rolloutSeconds, async () => {
    for (const { application, version, workflowId, startedAt } of await db.select().from(rollouts).where(eq(rollouts.state, 'running')))
      rolloutSeconds.set({ application, version, workflow_id: workflowId }, (clock.nowMs() - startedAt.getTime()) / 1000);
  });

  function whenAsked(gauge: { reset(): void }, read: () => Promise<void>): void {
    const collect = async (): Promise<void> => {
      gauge.reset();
      await read().catch((error) => log.warn({ error: messageOf(error) }, 'metrics.not_read'));
    };
    Object.assign(gauge, { collect }); // prom-client calls it; its types know it as an option of the constructor only
  }
}
