import { inParallel } from '../../services/base/in-parallel.ts';
import type { BalanceReplica, Move } from '../../services/pangu/core/balance.ts';
import { excessBytes, planSpread, targetsOf } from '../../services/pangu/core/spread.ts';
import type { WorkStep } from '../../services/pangu/work-contract.ts';
import type { PanguServices } from './services.ts';
import { MOVE_TIMEOUT_MS, type StepRequest, stepping } from './stepping.ts';

/** Beside the work of the cluster, which comes first. */
const MOVES_AT_ONCE = 4;
const PAGE = 500;
/** Planned at once: what comes after is planned with what is so by then. */
const PLAN_BYTES_MAX = 4 * 1024 ** 3;

/**
 * One step of making all nodes equally full. What moves is what the planner says of as much as has been read of the replicas of nodes that hold too much.
 * It reads on when nothing of that may move, and is done at the end of it.
 */
export function createBalanceStep({ panguMaster }: PanguServices) {
  return async function balanceStep(request: Omit<StepRequest, 'bytesPerSecond'> & { bytesPerSecond?: number }): Promise<WorkStep> {
    const bytesPerSecond = request.bytesPerSecond ?? (await panguMaster.healingSettings({})).repairBytesPerSecond;
    /** Where reading goes on in each giver's replicas; undefined at its end. */
    const cursors = new Map<string, string | undefined>();
    const nodesNow = async () => {
      const { servers } = await panguMaster.servers({});
      const nodes = servers
        .filter(({ up, draining }) => up && !draining)
        .map(({ node: id, rack, bytes, freeBytes }) => ({ id, rack, bytes, freeBytes }));
      const targets = targetsOf(nodes);
      return { nodes, left: excessBytes(nodes), givers: nodes.filter(({ id, bytes }) => bytes > targets.get(id)!).map(({ id }) => id) };
    };
    const read = async (givers: readonly string[]) => {
      const pages = await Promise.all(
        givers
          .filter((id) => !cursors.has(id) || cursors.get(id) !== undefined)
          .map(async (id) => ({ id, ...(await panguMaster.heldReplicas({ node: id, after: cursors.get(id), limit: PAGE })) })),
      );
      const sealed = pages.flatMap(({ replicas }) => replicas).filter(({ state, removed }) => state === 'sealed' && !removed);
      const replicas: BalanceReplica[] = [...new Map(sealed.map((replica) => [replica.chunk, replica])).values()];
      const advance = (): void => {
        for (const { id, replicas, more } of pages) cursors.set(id, more ? replicas.at(-1)!.chunk : undefined);
      };
      return { replicas, advance, over: pages.length === 0 };
    };

    return stepping({ stepMs: request.stepMs, bytesPerSecond }, async (step) => {
      const moved = new Set<string>();
      const move = async ({ chunk, from, to, length }: Move): Promise<void> => {
        moved.add(chunk);
        if (!(await step.admit(length))) return;
        const { outcome, bytes } = await panguMaster.moveReplica(
          { chunk, from, to, bytesPerSecond: step.paceOfOne(MOVES_AT_ONCE) },
          { timeoutMs: MOVE_TIMEOUT_MS },
        );
        if (outcome === 'done') step.counted(bytes);
      };
      for (;;) {
        const { nodes, left, givers } = await nodesNow();
        const told = { replicasLeft: 0, bytesLeft: left, waiting: '' };
        if (left === 0) return { ...step.total, ...told, done: true };
        if (!step.more()) return { ...step.total, ...told, done: false };
        const { replicas, advance, over } = await read(givers);
        // What is left over is less than half a chunk of each, or cannot go anywhere.
        if (over) return { ...step.total, ...told, bytesLeft: 0, done: true };
        const before = step.total.replicas;
        await inParallel(planSpread({ nodes, replicas, moved, bytesMax: PLAN_BYTES_MAX }), MOVES_AT_ONCE, step.more, move);
        if (step.total.replicas === before) advance();
      }
    });
  };
}
