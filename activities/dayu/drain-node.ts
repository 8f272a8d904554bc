import { inParallel } from '../../services/base/in-parallel.ts';
import type { MoveStep } from '../../services/dayu/nodes-contract.ts';
import type { HeldReplica } from '../../services/pangu/master-contract.ts';
import { type Beating, beating } from './beating.ts';
import type { NodeServices } from './node-services.ts';

/** More would only wait for the disk and the network of the one node they all come from. */
const MOVES_AT_ONCE = 4;
const PAGE = 200;
const PAUSE_MS = 500;
/** The largest chunk from a slow disk, from each of its replicas. */
export const MOVE_TIMEOUT_MS = 15 * 60_000;

/**
 * One step of emptying a node: moves its replicas elsewhere until none is left or the time is over. Chunks that are written to are left alone for
 * `sealAfterMs`; then they are sealed on the node, so that their writers go on elsewhere. Run again it goes on with what is left.
 */
export function createDrainNode({ panguMaster }: Pick<NodeServices, 'panguMaster'>) {
  return async function drainNode({ node, stepMs, sealAfterMs }: { node: string; stepMs: number; sealAfterMs: number }): Promise<MoveStep> {
    const beganAtMs = Date.now();
    const inTime = (): boolean => Date.now() < beganAtMs + stepMs;
    const total = { replicasMoved: 0, bytesMoved: 0 };

    /** Goes through all that the node holds once. */
    const round = async ({ tell, check }: Beating) => {
      const waiting = new Map<string, number>();
      let moved = 0;
      const move = async ({ chunk, removed }: HeldReplica): Promise<void> => {
        check();
        const seal = Date.now() >= beganAtMs + sealAfterMs;
        const { outcome, bytes, reason } = removed
          ? { outcome: 'open' as const, bytes: 0, reason: 'belong to removed files and go in a moment' }
          : await panguMaster.moveReplica({ chunk, from: node, seal }, { timeoutMs: MOVE_TIMEOUT_MS });
        if (outcome === 'done' || outcome === 'gone') moved++;
        else {
          const why = reason ?? 'are being written to';
          waiting.set(why, (waiting.get(why) ?? 0) + 1);
        }
        if (outcome !== 'done') return;
        total.replicasMoved++;
        total.bytesMoved += bytes;
        tell(total);
      };
      for (let after: string | undefined, more = true; more && inTime(); ) {
        const page = await panguMaster.heldReplicas({ node, limit: PAGE, ...(after === undefined ? {} : { after }) });
        await inParallel(page.replicas, MOVES_AT_ONCE, inTime, move);
        more = page.more;
        after = page.replicas.at(-1)?.chunk;
      }
      return { moved, waiting };
    };

    return beating(async (beat) => {
      for (;;) {
        const { moved, waiting } = await round(beat);
        const { servers } = await panguMaster.servers({});
        const { replicas = 0, bytes = 0 } = servers.find((server) => server.node === node) ?? {};
        if (replicas === 0 || !inTime())
          return {
            ...total,
            replicasLeft: replicas,
            bytesLeft: bytes,
            done: replicas === 0,
            waiting: replicas === 0 ? '' : describe(waiting),
          };
        beat.check();
        if (moved === 0) await beat.sleep(PAUSE_MS);
      }
    });
  };
}

/** `3 replicas: are being written to; 1 replica: no other server has 64 bytes free`. */
function describe(waiting: ReadonlyMap<string, number>): string {
  return [...waiting]
    .map(([why, count]) => `${count} ${count === 1 ? 'replica' : 'replicas'}: ${why}`)
    .join('; ')
    .slice(0, 500);
}
