import { hasCode } from '../../../base/errors.ts';
import { PanguError } from '../../contract.ts';
import { parsePath } from '../../core/path.ts';
import type { MasterContext } from '../context.ts';
import { endOf, type Inode, parentOf, walk } from '../inodes.ts';
import { once, REQUEST_KEEP_MS } from '../once.ts';
import { lockMove, lockTree } from '../quotas.ts';
import { detach, removeEmptyDirectory } from '../tree.ts';

interface Request {
  requestId: string;
  path: string;
  what: 'file' | 'one' | 'tree';
  force: boolean;
}

export async function remove({ db }: MasterContext, { requestId, path, what, force }: Request) {
  const parsed = parsePath(path);
  await once(db, requestId, REQUEST_KEEP_MS, async (tx) => {
    let [inodes] = await walk(tx, [parsed.names]);
    if (what === 'tree' && inodes!.length > parsed.names.length && inodes!.at(-1)!.type === 'directory') {
      await lockTree(tx);
      [inodes] = await walk(tx, [parsed.names]);
    }
    let inode: Inode | undefined;
    try {
      parentOf(inodes!, parsed, path);
      inode = endOf(inodes!, parsed, path);
      if (!inode) throw new PanguError('ENOENT', `${path} does not exist`);
    } catch (error) {
      if (force && hasCode(error, 'ENOENT', 'ENOTDIR')) return;
      throw error;
    }
    if (inode.type === 'directory' && what === 'tree') await lockMove(tx, inode.parent, null);
    if (inode.type === 'file' || what === 'tree') await detach(tx, inode);
    else if (what === 'file') throw new PanguError('EISDIR', `${path} is a directory`);
    else await removeEmptyDirectory(tx, inode, path);
  });
  return {};
}
