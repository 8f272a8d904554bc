import type { PanguFile } from '../../../services/pangu/contract.ts';
import { appendAndSync } from './bounds.ts';
import type { Figure } from './figures.ts';
import { repeat } from './load.ts';
import { PIECE_BYTES, type Stage } from './stage.ts';

const BYTES = 4_096;
const FILE_BYTES = 256 << 20;

/** 4 KiB here and there in a file of 256 MiB: read from one of kind `append`, written into one of kind `random`. */
export async function random(stage: Stage): Promise<Figure[]> {
  const { local, remote, piece, seconds } = stage;
  const figures: Figure[] = [];
  const somewhere = (): number => Math.floor(Math.random() * (FILE_BYTES / BYTES)) * BYTES;
  const fill = async (file: PanguFile, write: (at: number) => Promise<void>): Promise<void> => {
    for (let at = 0; at < FILE_BYTES; at += PIECE_BYTES) await write(at);
    await file.close();
  };
  const appended = await local.open('/pieces', 'wx');
  await fill(appended, () => appended.write(piece));
  for (const [system, client] of [
    ['Pangu', remote],
    ['Pangu, on a node that has it', local],
  ] as const) {
    const file = await client.open('/pieces', 'r');
    for (const inFlight of [1, 32]) {
      const read = await repeat(() => file.read(somewhere(), BYTES), { seconds, inFlight });
      figures.push({ case: `4 KiB read anywhere, ${inFlight} in flight`, system, synced: '-', unit: '/s', ...read });
    }
    await file.close();
  }
  const written = await local.open('/blocks', 'wx', { kind: 'random' });
  for (let at = 0; at < FILE_BYTES; at += PIECE_BYTES) await written.pwrite(at, piece);
  for (const inFlight of [1, 32]) {
    const name = `4 KiB written anywhere, ${inFlight} in flight`;
    const pwrite = await repeat(() => written.pwrite(somewhere(), piece.subarray(0, BYTES)), { seconds, inFlight });
    figures.push({ case: name, system: 'Pangu', synced: 'yes', unit: '/s', ...pwrite });
    if (inFlight === 1)
      figures.push({ case: name, system: 'the disk, appends', synced: 'yes', unit: '/s', ...(await appendAndSync(stage, BYTES)) });
  }
  await written.close();
  for (const path of ['/pieces', '/blocks']) await local.rm(path, { skipTrash: true });
  return figures;
}
