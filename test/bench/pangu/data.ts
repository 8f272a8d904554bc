import { recycleBytes } from '../../../services/pangu/client.ts';
import type { PanguClient } from '../../../services/pangu/contract.ts';
import { readBack, socketMegabytesPerSecond, writeAndSync } from './bounds.ts';
import type { Aim, Figure } from './figures.ts';
import { megabytesPerSecond } from './load.ts';
import { PIECE_BYTES, type Stage } from './stage.ts';

export const WRITE = 'a large file written';
export const READ = 'a large file read';
const READ_LOCAL = 'a large file read on a node that has it';

/** One large file: written and synced on three, read through a socket, and read on a node that holds it. */
export async function data(stage: Stage): Promise<Figure[]> {
  const { bigBytes, local, remote } = stage;
  const measure = async (name: string, system: string, synced: Figure['synced'], work: () => unknown): Promise<Figure> => ({
    case: name,
    system,
    synced,
    unit: 'MB/s',
    perSecond: await megabytesPerSecond(bigBytes, work),
  });
  const write = async (path: string, sync: boolean): Promise<void> => {
    const file = await local.open(path, 'wx', { sync });
    for (let at = 0; at < bigBytes; at += PIECE_BYTES) await file.write(stage.piece);
    await file.close();
  };
  const figures: Figure[] = [];
  const disk = await measure(WRITE, 'the disk', 'yes', () => writeAndSync(stage));
  figures.push(disk, { ...disk, system: 'the disk ÷ 3', perSecond: disk.perSecond / 3 });
  const readFile = await measure(READ_LOCAL, 'the file', '-', () => readBack(stage));
  figures.push(await measure(WRITE, 'Pangu', 'yes', () => write('/big', true)));
  figures.push(await measure(READ, 'Pangu', '-', () => readAll(remote, '/big')));
  figures.push({ case: READ, system: 'a socket', synced: '-', unit: 'MB/s', perSecond: await socketMegabytesPerSecond(stage.seconds / 2) });
  figures.push(await measure(READ_LOCAL, 'Pangu', '-', () => readAll(local, '/big')), readFile);
  figures.push(await measure(WRITE, 'Pangu, sync: false', 'no', () => write('/big-unsynced', false)));
  for (const path of ['/big', '/big-unsynced']) await local.rm(path, { skipTrash: true });
  return figures;
}

async function readAll(pangu: PanguClient, path: string): Promise<void> {
  for await (const piece of pangu.createReadStream(path)) recycleBytes(piece);
}

export const dataAims: Aim[] = [
  { case: WRITE, system: 'Pangu', over: 'HDFS', bound: 1 },
  { case: WRITE, system: 'Pangu', over: 'the disk ÷ 3', bound: 0.8 },
  { case: READ, system: 'Pangu', over: 'HDFS', bound: 1 },
  { case: READ, system: 'Pangu', over: 'a socket', bound: 0.7 },
  { case: READ_LOCAL, system: 'Pangu', over: 'the file', bound: 0.8 },
];
