import { opendir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../../base/clock.ts';
import { messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import { type DiskMove, planDiskMove } from '../../core/disk-balance.ts';
import type { ChunkStore } from '../chunk-store.ts';
import type { ChunkDisk } from '../disks/chunk-disk.ts';
import { moveChunk, type Pace, paceOf } from '../disks/move-chunk.ts';
import { type Loop, startLoop } from './loop.ts';

/**
 * Chunks go from the fuller disks of this server to the emptier ones, and from a disk that retires to all others, until core/disk-balance.ts is content. It
 * is slow on purpose: nothing is at risk, and each byte is a read and a write that somebody else's disk time pays for.
 */
export interface BalanceDisksOptions {
  /** @default 60_000 */
  intervalMs?: number;
  /** Of a disk of 150 MB/s about an eighth. @default 20 MiB */
  bytesPerSecond?: number;
}

/** Chunks looked at in one go before the disks are measured anew. */
const BATCH = 32;
const BYTES_PER_SECOND = 20 * 1024 * 1024;

export function startBalancingDisks(
  context: { store: ChunkStore; clock: Clock; log: Logger },
  { intervalMs = 60_000, bytesPerSecond = BYTES_PER_SECOND }: BalanceDisksOptions = {},
): Loop {
  const { clock, log } = context;
  const round = (signal: AbortSignal): Promise<void> => balanceOnce(context, paceOf(bytesPerSecond, clock, signal));
  return startLoop({ name: 'disks.balance', intervalMs, clock, log, round });
}

async function balanceOnce({ store, log }: { store: ChunkStore; log: Logger }, pace: Pace): Promise<void> {
  for (let moving = false; ; moving = true) {
    await store.disks.measure();
    const move = planDiskMove(store.disks.usable.map(balanceDisk), moving);
    if (!move) return;
    const moved = await moveSome(store, move, pace, log);
    if (moved === 0) return;
    log.info({ ...move, moved }, 'disks.balanced');
  }
}

function balanceDisk(disk: ChunkDisk): Parameters<typeof planDiskMove>[0][number] {
  const { id, device, freeBytes, totalBytes } = disk.space;
  return { id, state: disk.retiring ? 'retiring' : 'healthy', device, freeBytes, totalBytes };
}

/** @returns how many went */
async function moveSome(store: ChunkStore, { from, to, bytesMax }: DiskMove, pace: Pace, log: Logger): Promise<number> {
  const byId = new Map(store.disks.usable.map((disk) => [disk.id, disk]));
  const [source, target] = [byId.get(from), byId.get(to)];
  if (!source || !target) return 0;
  let moved = 0;
  let left = bytesMax;
  // Directories give names in an order that says nothing of age or file, so the first are as good as any.
  for await (const { name } of await opendir(join(source.path, 'chunks'))) {
    if (moved === BATCH || target.failed || source.failed) break;
    try {
      const lengthBefore = await store.use(name, async ({ length }) => length);
      const outcome = await moveChunk(store, name, target, { bytesMax: left, pace });
      if (outcome !== 'moved') continue;
      moved++;
      left -= lengthBefore;
    } catch (error) {
      await pace.take(0); // which throws when it is time to stop
      log.debug({ chunk: name, from, to, error: messageOf(error) }, 'chunk.not-moved');
    }
  }
  return moved;
}
