import { sql } from 'drizzle-orm';
import { PanguError } from '../../contract.ts';
import type { MasterContext } from '../context.ts';
import { change } from '../inodes.ts';

export async function setChunkBytes({ db }: MasterContext, { path, chunkBytes }: { path: string; chunkBytes: number }) {
  await change(db, path, (inode) => {
    if (inode.type === 'file') throw new PanguError('ENOTDIR', `${path} is a file: its chunks are as long as they are`);
    return sql`update pangu.inodes set chunk_bytes = ${chunkBytes} where id = ${inode.id} returning id`;
  });
  return {};
}
