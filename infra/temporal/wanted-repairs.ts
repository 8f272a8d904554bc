import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { messageOf } from '../../services/base/errors.ts';
import type { Logger } from '../../services/base/log.ts';
import { FEITIAN_QUEUE } from '../../services/fuxi/contract.ts';
import type { ServiceClient } from '../../services/kuafu/contract.ts';
import type { MasterContract } from '../../services/pangu/master-contract.ts';
import { PANGU_WORKFLOWS, REPAIR_ID } from '../../services/pangu/work-contract.ts';

/**
 * Pangu's masters know nothing of Temporal: they say that much is lacking, and whoever has both at hand starts the workflow that mends it. All workers ask;
 * its id is the same for all, so there is one. While none asks, the masters mend by themselves.
 */
const ASK_MS = 5_000;
/** From one repair that was started to the next: one that could not make all is not begun anew at once. */
const START_MS = 60_000;

export function startWantedRepairs(
  { panguMaster, client, log }: { panguMaster: ServiceClient<MasterContract>; client: Client; log: Logger },
  { askMs = ASK_MS }: { askMs?: number } = {},
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      let pauseMs = askMs;
      try {
        const { repairWanted, lacking } = await panguMaster.controlState({});
        if (repairWanted) {
          await client.workflow.start(PANGU_WORKFLOWS.repair, {
            taskQueue: FEITIAN_QUEUE,
            workflowId: REPAIR_ID,
            workflowIdConflictPolicy: 'USE_EXISTING',
            args: [{ user: 'pangu' }],
            staticSummary: `${lacking?.chunks ?? 0} chunks lack replicas`,
          });
          log.info({ workflowId: REPAIR_ID, ...lacking }, 'repair.started');
          pauseMs = START_MS;
        }
      } catch (error) {
        log.info({ error: messageOf(error) }, 'repair.not-asked');
      }
      await delay(pauseMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  };
  const running = run();
  return {
    stop: () => {
      stopping.abort();
      return running;
    },
  };
}
