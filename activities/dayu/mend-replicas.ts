import { inParallel } from '../../services/base/in-parallel.ts';
import type { MendStep } from '../../services/dayu/nodes-contract.ts';
import { beating } from './beating.ts';
import { MOVE_TIMEOUT_MS } from './drain-node.ts';
import type { NodeServices } from './node-services.ts';

const COPIES_AT_ONCE = 4;
const PAGE = 200;

/** One step of giving chunks the replicas that they lack. Run again it goes on with those that still do. */
export function createMendReplicas({ panguMaster }: Pick<NodeServices, 'panguMaster'>) {
  return async function mendReplicas({ stepMs }: { stepMs: number }): Promise<MendStep> {
    const untilMs = Date.now() + stepMs;
    const inTime = (): boolean => Date.now() < untilMs;
    const step: MendStep = { made: 0, left: 0, reason: '' };
    return beating(async ({ tell, check }) => {
      for (let after: string | undefined, more = true; more; ) {
        const page = await panguMaster.underReplicated({ limit: PAGE, ...(after === undefined ? {} : { after }) });
        let done = 0;
        await inParallel(page.chunks, COPIES_AT_ONCE, inTime, async (chunk) => {
          check();
          const { outcome, reason } = await panguMaster.replicate({ chunk }, { timeoutMs: MOVE_TIMEOUT_MS });
          if (outcome === 'done' || outcome === 'gone') done++;
          else step.reason = reason ?? '';
          if (outcome === 'done') step.made++;
          tell(step);
        });
        step.left += page.chunks.length - done;
        more = page.more;
        after = page.chunks.at(-1);
      }
      return step;
    });
  };
}
