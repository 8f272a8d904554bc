import { z } from 'zod';

/**
 * What is known of one disk of a chunk server. `healthy`: it takes chunks; `retiring`: nobody names it any more, so it takes none and its chunks go to
 * the others; `failed`: it returned errors, and is left alone until the server starts again; `missing`: it was there before and is not now;
 * `refused`: it is of another node or cluster.
 */
export const DISK_STATES = ['healthy', 'retiring', 'failed', 'missing', 'refused'] as const;
export type DiskState = (typeof DISK_STATES)[number];

export const diskSpaceSchema = z.object({
  id: z.string(),
  path: z.string(),
  state: z.enum(DISK_STATES),
  freeBytes: z.number().min(0),
  totalBytes: z.number().min(0),
  /** Why it is in no good state. */
  reason: z.string().optional(),
});
export type DiskSpace = z.infer<typeof diskSpaceSchema>;

/** A disk and the device below it: two directories of one device share its room. */
export interface MeasuredDisk extends DiskSpace {
  device: string;
  /** Operations under way. */
  busy: number;
}

export interface ServerSpace {
  /** Each device once. */
  freeBytes: number;
  totalBytes: number;
  /** The most that one disk has for one chunk. */
  chunkRoomBytes: number;
  /** Operations under way on a disk, on average. */
  busy: number;
}

/** What one server has on the disks that take chunks, all together. */
export function sumUp(disks: readonly MeasuredDisk[]): ServerSpace {
  const healthy = disks.filter(({ state }) => state === 'healthy');
  const devices = [...new Map(healthy.map((disk) => [disk.device, disk])).values()];
  const sum = (of: (disk: MeasuredDisk) => number, over: readonly MeasuredDisk[]): number =>
    over.reduce((total, disk) => total + of(disk), 0);
  return {
    freeBytes: sum(({ freeBytes }) => freeBytes, devices),
    totalBytes: sum(({ totalBytes }) => totalBytes, devices),
    chunkRoomBytes: Math.max(0, ...healthy.map(({ freeBytes }) => freeBytes)),
    busy: healthy.length === 0 ? 0 : sum(({ busy }) => busy, healthy) / healthy.length,
  };
}

/** Attributes of a registration are plain values, so the disks stand there as one text. */
export function disksToText(disks: readonly MeasuredDisk[]): string {
  return JSON.stringify(disks.map(({ device: _, busy: __, ...told }) => told));
}

/** What another version wrote, or nothing, is no disk that is known. */
export function disksFromText(text: unknown): DiskSpace[] {
  if (typeof text !== 'string') return [];
  try {
    return z.array(diskSpaceSchema).parse(JSON.parse(text));
  } catch {
    return [];
  }
}
