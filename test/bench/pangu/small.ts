import type { Aim, Figure } from './figures.ts';
import { repeat } from './load.ts';
import type { Stage } from './stage.ts';

export const IN_FLIGHT = 32;
export const CREATE = '4 KiB files created, 32 in flight';
export const READ_SMALL = '4 KiB files read, 32 in flight';
export const STAT = 'what a file is (stat), 32 in flight';

/** Each file is opened, written and closed, or opened and read: what is counted is whole files. A directory for each of those in flight, as peers have it. */
export async function small({ local, remote, piece, seconds }: Stage): Promise<Figure[]> {
  const bytes = piece.subarray(0, 4_096);
  const path = (index: number): string => `/small/${index % IN_FLIGHT}/${index}`;
  await local.mkdir('/small');
  for (let i = 0; i < IN_FLIGHT; i++) await local.mkdir(`/small/${i}`);
  // Untold: peers come to their small files from large ones, with all that a process does only once behind them.
  await repeat((index) => local.writeFile(`/small/0/warm-${index}`, bytes, { mode: 'wx' }), { seconds, inFlight: IN_FLIGHT });
  const created = await repeat((index) => local.writeFile(path(index), bytes, { mode: 'wx' }), { seconds, inFlight: IN_FLIGHT });
  const replaced = await repeat((index) => local.writeFile(path(index % created.count), bytes), {
    seconds: seconds / 2,
    inFlight: IN_FLIGHT,
  });
  const read = await repeat((index) => remote.readFile(path(index % created.count)), { seconds, inFlight: IN_FLIGHT });
  const readLocal = await repeat((index) => local.readFile(path(index % created.count)), { seconds, inFlight: IN_FLIGHT });
  const stat = await repeat(() => remote.stat(path(0)), { seconds, inFlight: IN_FLIGHT });
  await local.rm('/small', { recursive: true, skipTrash: true });
  return [
    { case: CREATE, system: 'Pangu', synced: 'yes', unit: '/s', ...created },
    { case: CREATE, system: 'Pangu, replacing', synced: 'yes', unit: '/s', ...replaced },
    { case: READ_SMALL, system: 'Pangu', synced: '-', unit: '/s', ...read },
    { case: READ_SMALL, system: 'Pangu, on a node that has them', synced: '-', unit: '/s', ...readLocal },
    { case: STAT, system: 'Pangu', synced: '-', unit: '/s', ...stat },
  ];
}

export const smallAims: Aim[] = [
  { case: CREATE, system: 'Pangu', over: 'HDFS, hsync', bound: 10 },
  { case: CREATE, system: 'Pangu', over: 'HDFS', bound: 10 },
  { case: CREATE, system: 'Pangu', over: 'MinIO', bound: 1 },
  { case: READ_SMALL, system: 'Pangu', over: 'MinIO', bound: 1 },
  { case: READ_SMALL, system: 'Pangu', over: 'HDFS', bound: 1 },
  { case: STAT, system: 'Pangu', over: 'HDFS', bound: 1 },
];
