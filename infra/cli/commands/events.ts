import type { Command } from 'commander';
import {
  type Anomaly,
  EVENTS_DEFAULT,
  EVENTS_MAX,
  eventsLimit,
  SHENNONG_SERVICE,
  shennongService,
} from '../../../services/shennong/contract.ts';
import { action, print, printJson, UsageError } from '../ui/action.ts';
import { inCluster } from '../ui/cluster.ts';
import { renderTable } from '../ui/table.ts';
import { formatTime } from '../ui/units.ts';
import { type VerbOptions, verb } from '../ui/verb.ts';

/** `feitian events`: what was wrong with the cluster, and what still is. */
export function register(program: Command): void {
  verb(program, 'events', 'alerts that fired, the newest first', 'feitian events', 'feitian events --limit 5 --json')
    .option('--limit <n>', `how many, up to ${EVENTS_MAX}`, String(EVENTS_DEFAULT))
    .action(
      action(async (options: VerbOptions & { limit: string }) => {
        const limit = eventsLimit.safeParse(options.limit);
        if (!limit.success) throw new UsageError(`--limit is a whole number from 1 to ${EVENTS_MAX}, not ${options.limit}`);
        const { events } = await inCluster(options.dir, ({ cluster, kuafu }) =>
          kuafu.service(shennongService, `nuwa://${cluster.name}/${SHENNONG_SERVICE}/`).events({ limit: limit.data }),
        );
        if (options.json) printJson({ events });
        else print(events.length > 0 ? table(events) : 'no alert has fired');
      }),
    );
}

function table(events: readonly Anomaly[]): string {
  const titles = ['time', 'alert', 'severity', 'node', 'state', 'summary'];
  return renderTable(
    titles.map((title) => ({ title })),
    events.map(({ startsAtMs, alert, severity, node, state, summary }) => [
      formatTime(startsAtMs),
      alert,
      severity,
      node ?? '-',
      state,
      summary.replaceAll(/\s+/g, ' '),
    ]),
  );
}
