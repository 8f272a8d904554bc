import { inParallel } from '../../services/base/in-parallel.ts';
import type { MoveStep } from '../../services/dayu/nodes-contract.ts';
import { type BalanceReplica, fairShare, type Move, planBalance } from '../../services/pangu/core/balance.ts';
import { beating } from './beating.ts';
import { MOVE_TIMEOUT_MS } from './drain-node.ts';
import type { NodeServices } from './node-services.ts';

/** Beside the work of the cluster, which comes first. */
const MOVES_AT_ONCE = 2;
const PAGE = 500;
/** Planned at once: what comes after is planned with what is so by then. */
const PLAN_BYTES_MAX = 1024 ** 3;

/**
 * One step of giving a node its share: moves replicas there until it has it, nothing suits, or the time is over. What moves is what the planner says of
 * as much as has been read of the fullest nodes' replicas.
 */
export function createBalanceNode({ panguMaster }: Pick<NodeServices, 'panguMaster'>) {
  return async function balanceNode({ node, stepMs }: { node: string; stepMs: number }): Promise<MoveStep> {
    const untilMs = Date.now() + stepMs;
    const inTime = (): boolean => Date.now() < untilMs;
    const total = { replicasMoved: 0, bytesMoved: 0 };
    /** Where reading goes on in each giver's replicas; undefined at its end. */
    const cursors = new Map<string, string | undefined>();

    const nodesNow = async () => {
      const { servers } = await panguMaster.servers({});
      const nodes = servers
        .filter(({ up, draining }) => up && !draining)
        .map(({ node: id, rack, bytes, freeBytes }) => ({ id, rack, bytes, freeBytes }));
      const share = fairShare(nodes);
      const own = nodes.find(({ id }) => id === node)?.bytes ?? 0;
      return { nodes, bytesLeft: Math.max(0, share - own), givers: nodes.filter(({ id, bytes }) => id !== node && bytes > share) };
    };
    const read = async (givers: readonly { id: string }[]) => {
      const pages = await Promise.all(
        givers
          .filter(({ id }) => !cursors.has(id) || cursors.get(id) !== undefined)
          .map(async ({ id }) => ({ id, ...(await panguMaster.heldReplicas({ node: id, after: cursors.get(id), limit: PAGE })) })),
      );
      const sealed = pages.flatMap(({ replicas }) => replicas).filter(({ state, removed }) => state === 'sealed' && !removed);
      const replicas: BalanceReplica[] = [...new Map(sealed.map((replica) => [replica.chunk, replica])).values()];
      const advance = (): void => {
        for (const { id, replicas, more } of pages) cursors.set(id, more ? replicas.at(-1)!.chunk : undefined);
      };
      return { replicas, advance, over: pages.length === 0 };
    };

    return beating(async ({ tell, check }) => {
      for (;;) {
        const { nodes, bytesLeft, givers } = await nodesNow();
        if (bytesLeft === 0 || !inTime()) return { ...total, replicasLeft: 0, bytesLeft, done: bytesLeft === 0, waiting: '' };
        const { replicas, advance, over } = await read(givers);
        if (over) return { ...total, replicasLeft: 0, bytesLeft: 0, done: true, waiting: '' };
        let moved = 0;
        const move = async ({ chunk, from, to }: Move): Promise<void> => {
          check();
          const { outcome, bytes } = await panguMaster.moveReplica({ chunk, from, to }, { timeoutMs: MOVE_TIMEOUT_MS });
          if (outcome !== 'done') return;
          moved++;
          total.replicasMoved++;
          total.bytesMoved += bytes;
          tell(total);
        };
        const moves = planBalance({ nodes, to: node, replicas, bytesMax: PLAN_BYTES_MAX });
        await inParallel(moves, MOVES_AT_ONCE, inTime, move);
        if (moved === 0) advance();
      }
    });
  };
}
