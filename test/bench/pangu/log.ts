import { appendAndSync } from './bounds.ts';
import type { Aim, Figure } from './figures.ts';
import { repeat } from './load.ts';
import type { Stage } from './stage.ts';

const BYTES = 100;
const ONE = '100-byte records added to a log, one at a time';

/** Records that are on three disks when their writer is told; here these are one disk. */
export async function log(stage: Stage): Promise<Figure[]> {
  const { local, piece, seconds } = stage;
  const record = piece.subarray(0, BYTES);
  const figures: Figure[] = [];
  const one = await local.openLog('/log');
  await one.append(record);
  figures.push({ case: ONE, system: 'the disk', synced: 'yes', unit: '/s', ...(await appendAndSync(stage, BYTES)) });
  const alone = await repeat(() => one.append(record), { seconds, inFlight: 1 });
  figures.push({ case: ONE, system: 'Pangu', synced: 'yes', unit: '/s', ...alone });
  const many = await repeat(() => one.append(record), { seconds, inFlight: 64 });
  figures.push({ case: '100-byte records added to a log, 64 in flight', system: 'Pangu', synced: 'yes', unit: '/s', ...many });
  await one.close();
  await local.rm('/log', { skipTrash: true });
  return figures;
}

export const logAims: Aim[] = [{ case: ONE, system: 'Pangu', over: 'the disk', of: 'p50', bound: 1.5 }];
