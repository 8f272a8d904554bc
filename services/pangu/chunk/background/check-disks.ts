import type { Clock } from '../../../base/clock.ts';
import type { Logger } from '../../../base/log.ts';
import type { ChunkStore } from '../chunk-store.ts';
import { type Loop, startLoop } from './loop.ts';

/** Costs one small synced write on each disk. What fails between two looks is found by whoever uses the disk. */
const CHECK_MS = 30_000;

/** Finds out about disks that nobody asks anything of: a mount that vanished, one that became read-only, one that is there after all. */
export function startCheckingDisks(context: { store: ChunkStore; clock: Clock; log: Logger }, intervalMs = CHECK_MS): Loop {
  return startLoop({ name: 'disks.check', intervalMs, ...context, round: () => context.store.disks.look() });
}
