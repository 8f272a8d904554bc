import { PanguError } from '../../contract.ts';
import { locateChunks } from '../chunks.ts';
import type { MasterContext } from '../context.ts';
import { find, statOf } from '../inodes.ts';

export async function open(context: MasterContext, { path, near }: { path: string; near?: string | undefined }) {
  const inode = await find(context.db, path);
  if (inode.type === 'directory') throw new PanguError('EISDIR', `${path} is a directory`);
  const chunks = inode.size > 0 || (inode.kind === 'log' && inode.state === 'open') ? await locateChunks(context, inode.id, near) : [];
  return { file: inode.id, stat: statOf(inode), chunks };
}
