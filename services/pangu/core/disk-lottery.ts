import type { Random } from '../../base/random.ts';

export interface LotteryDisk {
  freeBytes: number;
  /** Operations under way. */
  busy: number;
}

/** Operations under way with which a disk is drawn half as often: about what it works on at once at full speed. */
const BUSY_HALVING = 8;

/**
 * Which disk of a node takes a new chunk: a lottery by free bytes and queue length among those that hold it whole, so that disks of different sizes fill
 * up alike and a slow one is spared. When none has room for a whole chunk, the one with the most: the chunk may be shorter.
 */
export function drawDisk<D extends LotteryDisk>(disks: readonly D[], chunkBytes: number, random: Random): D | undefined {
  const roomy = disks.filter(({ freeBytes }) => freeBytes >= chunkBytes);
  if (roomy.length === 0) return [...disks].sort((a, b) => b.freeBytes - a.freeBytes)[0];
  const weightOf = ({ freeBytes, busy }: D): number => freeBytes / (1 + busy / BUSY_HALVING);
  let ticket = random.next() * roomy.reduce((sum, disk) => sum + weightOf(disk), 0);
  return roomy.find((disk) => (ticket -= weightOf(disk)) < 0) ?? roomy.at(-1);
}
