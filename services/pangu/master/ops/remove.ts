import { systemClock } from '../../../base/clock.ts';
import { hasCode } from '../../../base/errors.ts';
import { PanguError } from '../../contract.ts';
import { parsePath } from '../../core/path.ts';
import { isInTrash } from '../../core/trash.ts';
import type { MasterContext } from '../context.ts';
import { endOf, type Inode, parentOf, walk } from '../inodes.ts';
import { once, REQUEST_KEEP_MS } from '../once.ts';
import { lockMove, lockTree } from '../quotas.ts';
import { trashRetentionMs } from '../settings.ts';
import { moveToTrash } from '../trash.ts';
import { detach, removeEmptyDirectory } from '../tree.ts';

interface Request {
  requestId: string;
  path: string;
  what: 'file' | 'one' | 'tree';
  force: boolean;
  skipTrash: boolean;
}

/**
 * To the trash, unless that is not wanted, or what is removed lies there, is a directory with nothing in it or a file that is still written. When the trash is
 * over a quota of its own the caller is told so, and nothing is removed.
 */
export async function remove({ db }: MasterContext, { requestId, path, what, force, skipTrash }: Request, owner = '') {
  const parsed = parsePath(path);
  await once(db, requestId, REQUEST_KEEP_MS, async (tx) => {
    let [[inodes], retentionMs] = await Promise.all([walk(tx, [parsed.names]), skipTrash ? 0 : trashRetentionMs(tx)]);
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
    if (inode.type === 'directory' && what === 'file') throw new PanguError('EISDIR', `${path} is a directory`);
    if (inode.type === 'directory' && what === 'one') return removeEmptyDirectory(tx, inode, path);
    // Kept by nobody: what is still being written, and what lies in the trash.
    const kept = retentionMs > 0 && inode.state === 'closed' && !isInTrash(parsed.names);
    if (kept) return moveToTrash(tx, inode, parsed.names, owner, systemClock.nowMs());
    if (inode.type === 'directory') await lockMove(tx, inode.parent, null);
    await detach(tx, inode);
  });
  return {};
}
