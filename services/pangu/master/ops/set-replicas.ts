import { sql } from 'drizzle-orm';
import { PanguError } from '../../contract.ts';
import type { MasterContext } from '../context.ts';
import { change } from '../inodes.ts';

/** The wish alone: whoever looks for chunks with too few replicas, or too many, does the rest. */
export async function setReplicas({ db }: MasterContext, { path, replicas }: { path: string; replicas: number }) {
  await change(db, path, (inode) => {
    if (inode.type === 'directory') throw new PanguError('EISDIR', `${path} is a directory`);
    return sql`update pangu.inodes set replicas = ${replicas} where id = ${inode.id} returning id`;
  });
  return {};
}
