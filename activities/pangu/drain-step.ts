import { inParallel } from '../../services/base/in-parallel.ts';
import type { HeldReplica } from '../../services/pangu/master-contract.ts';
import type { WorkStep } from '../../services/pangu/work-contract.ts';
import type { PanguServices } from './services.ts';
import { describeWaiting, MOVE_TIMEOUT_MS, type Stepping, type StepRequest, stepping } from './stepping.ts';

/** More would only wait for the disk and the network of the one node they all come from. */
const MOVES_AT_ONCE = 4;
const PAGE = 200;
const PAUSE_MS = 500;

/**
 * One step of emptying a node, whether it is there or not: moves its replicas elsewhere until none is left or the time is over. Chunks that are written to
 * are left alone for `sealAfterMs`; then they are sealed on the node, so that their writers go on elsewhere.
 */
export function createDrainStep({ panguMaster }: PanguServices) {
  return async function drainStep(
    request: Omit<StepRequest, 'bytesPerSecond'> & { node: string; sealAfterMs: number; bytesPerSecond?: number },
  ): Promise<WorkStep> {
    const { node, stepMs, sealAfterMs } = request;
    const bytesPerSecond = request.bytesPerSecond ?? (await panguMaster.healingSettings({})).repairBytesPerSecond;

    /** Goes through all that the node holds once. */
    const round = async (step: Stepping) => {
      const waiting = new Map<string, number>();
      let moved = 0;
      const move = async ({ chunk, removed, length }: HeldReplica): Promise<void> => {
        if (!(await step.admit(removed ? 0 : length))) return;
        const { outcome, bytes, reason } = removed
          ? { outcome: 'open' as const, bytes: 0, reason: 'belong to removed files and go in a moment' }
          : await panguMaster.moveReplica(
              { chunk, from: node, seal: step.elapsedMs() >= sealAfterMs, bytesPerSecond: step.paceOfOne(MOVES_AT_ONCE) },
              { timeoutMs: MOVE_TIMEOUT_MS },
            );
        if (outcome === 'done' || outcome === 'gone') moved++;
        else {
          const why = reason ?? 'are being written to';
          waiting.set(why, (waiting.get(why) ?? 0) + 1);
        }
        if (outcome === 'done') step.counted(bytes);
      };
      for (let after: string | undefined, more = true; more && step.more(); ) {
        const page = await panguMaster.heldReplicas({ node, limit: PAGE, ...(after === undefined ? {} : { after }) });
        await inParallel(page.replicas, MOVES_AT_ONCE, step.more, move);
        more = page.more;
        after = page.replicas.at(-1)?.chunk;
      }
      return { moved, waiting };
    };

    return stepping({ stepMs, bytesPerSecond }, async (step) => {
      for (;;) {
        const { moved, waiting } = await round(step);
        const { servers } = await panguMaster.servers({});
        const { replicas = 0, bytes = 0 } = servers.find((server) => server.node === node) ?? {};
        const done = replicas === 0;
        if (done || !step.more())
          return { ...step.total, replicasLeft: replicas, bytesLeft: bytes, done, waiting: done ? '' : describeWaiting(waiting) };
        if (moved === 0) await step.sleep(PAUSE_MS);
      }
    });
  };
}
