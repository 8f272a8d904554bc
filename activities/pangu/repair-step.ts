import { systemRandom } from '../../services/base/random.ts';
import { type PickedCopy, pickCopy } from '../../services/pangu/core/pick-copy.ts';
import type { WorkStep } from '../../services/pangu/work-contract.ts';
import type { PanguServices } from './services.ts';
import { describeWaiting, MOVE_TIMEOUT_MS, type StepRequest, stepping } from './stepping.ts';

/** Chunks in one look. */
const LOOK = 1_000;
/** The control loop leaves copying to this step for so long at a time. */
export const CLAIM_MS = 60_000;
const CLAIM_AGAIN_MS = 20_000;

/** One step of giving chunks the replicas that they lack, those in most danger first. Run again it goes on with what is left. */
export function createRepairStep({ panguMaster }: PanguServices) {
  return async function repairStep(
    request: Omit<StepRequest, 'bytesPerSecond'> & { holder: string; bytesPerSecond?: number },
  ): Promise<WorkStep> {
    const { holder } = request;
    const settings = await panguMaster.healingSettings({});
    const { claim } = await panguMaster.claimRepair({ holder, forMs: CLAIM_MS });
    if (claim && claim.holder !== holder) return waitFor(panguMaster, `${claim.holder} mends already`);
    const claiming = setInterval(() => void panguMaster.claimRepair({ holder, forMs: CLAIM_MS }).catch(() => {}), CLAIM_AGAIN_MS);
    const waiting = new Map<string, number>();
    try {
      return await stepping({ ...request, bytesPerSecond: request.bytesPerSecond ?? settings.repairBytesPerSecond }, async (step) => {
        for (let made = 1; made > 0 && step.more(); ) {
          const before = step.total.replicas;
          waiting.clear();
          await copyAll(step);
          made = step.total.replicas - before;
        }
        const { chunks, bytes } = await panguMaster.lacking({ limit: 1 });
        return {
          ...step.total,
          replicasLeft: chunks,
          bytesLeft: bytes,
          done: chunks === 0,
          waiting: chunks === 0 ? '' : describeWaiting(waiting),
        };
      });
    } finally {
      clearInterval(claiming);
    }

    /** All of one look. */
    async function copyAll(step: Parameters<Parameters<typeof stepping>[1]>[0]): Promise<void> {
      const [{ lacking: left }, { servers }] = await Promise.all([panguMaster.lacking({ limit: LOOK }), panguMaster.servers({})]);
      const nodes = servers.filter(({ up }) => up).map(({ node: id, rack, freeBytes, draining }) => ({ id, rack, freeBytes, draining }));
      const atOnce = Math.floor((nodes.length * settings.copiesPerNode) / 2);
      const busy = new Map<string, number>();
      const work = ({ source, to }: PickedCopy, change: 1 | -1): void => {
        for (const node of [source, to]) busy.set(node, (busy.get(node) ?? 0) + change);
      };
      const running = new Set<Promise<void>>();
      const copy = async ({ chunk, length, source, to }: PickedCopy): Promise<void> => {
        if (!(await step.admit(length))) return;
        const { outcome, reason = outcome } = await panguMaster.replicate(
          { chunk, source, to, bytesPerSecond: step.paceOfOne(atOnce) },
          { timeoutMs: MOVE_TIMEOUT_MS },
        );
        if (outcome === 'done') step.counted(length);
        else if (outcome !== 'gone') waiting.set(reason, (waiting.get(reason) ?? 0) + 1);
      };
      while (step.more()) {
        const picked = pickCopy(left, nodes, busy, settings.copiesPerNode, systemRandom);
        if (!picked && running.size === 0) break;
        if (!picked) {
          await Promise.race(running);
          continue;
        }
        left.splice(
          left.findIndex(({ chunk }) => chunk === picked.chunk),
          1,
        );
        work(picked, 1);
        const copying = copy(picked).finally(() => {
          work(picked, -1);
          running.delete(copying);
        });
        running.add(copying);
      }
      await Promise.all(running);
    }
  };
}

async function waitFor({ lacking }: PanguServices['panguMaster'], why: string): Promise<WorkStep> {
  const { chunks, bytes } = await lacking({ limit: 1 });
  return { replicas: 0, bytes: 0, replicasLeft: chunks, bytesLeft: bytes, done: chunks === 0, waiting: why };
}
