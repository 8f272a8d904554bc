/**
 * From which disk of a node to which a chunk is to move, if any. Disks are compared by the share of them that is taken. Moving begins when two are further
 * apart than `BEGIN_APART` and goes on until they are within `END_APART`: with one bound alone each new chunk would set it off again. A disk that retires
 * gives all it has. The target never ends up fuller than the giver, so nothing goes back and forth.
 */
export interface BalanceDisk {
  id: string;
  state: 'healthy' | 'retiring';
  /** Two directories of one device are alike whatever is moved between them. */
  device: string;
  freeBytes: number;
  totalBytes: number;
}

export interface DiskMove {
  from: string;
  to: string;
  /** Chunks up to this size may go. */
  bytesMax: number;
}

const BEGIN_APART = 0.1;
const END_APART = 0.03;

/** `moving`: it is under way. */
export function planDiskMove(disks: readonly BalanceDisk[], moving: boolean): DiskMove | undefined {
  const takers = disks.filter(({ state, totalBytes }) => state === 'healthy' && totalBytes > 0).sort((a, b) => usedShare(a) - usedShare(b));
  const retiring = disks.find(({ state }) => state === 'retiring');
  const emptiest = takers[0];
  if (!emptiest) return undefined;
  if (retiring) return { from: retiring.id, to: emptiest.id, bytesMax: emptiest.freeBytes };
  const fullest = takers.filter(({ device }) => device !== emptiest.device).at(-1);
  if (!fullest) return undefined;
  const apart = usedShare(fullest) - usedShare(emptiest);
  if (apart <= (moving ? END_APART : BEGIN_APART)) return undefined;
  // After b bytes: used(full) - b/T(full) >= used(empty) + b/T(empty).
  const bytesMax = Math.min(emptiest.freeBytes, Math.floor(apart / (1 / fullest.totalBytes + 1 / emptiest.totalBytes)));
  return { from: fullest.id, to: emptiest.id, bytesMax };
}

function usedShare({ freeBytes, totalBytes }: BalanceDisk): number {
  return 1 - freeBytes / totalBytes;
}
