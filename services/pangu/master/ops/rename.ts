import type { Queryable } from '../../../base/database.ts';
import { PanguError } from '../../contract.ts';
import { isWithin, parsePath } from '../../core/path.ts';
import type { MasterContext } from '../context.ts';
import { endOf, type Inode, parentOf, walk } from '../inodes.ts';
import { once, REQUEST_KEEP_MS } from '../once.ts';
import { lockMove, lockTree } from '../quotas.ts';
import { detach, move, removeEmptyDirectory } from '../tree.ts';

/**
 * One row changes its parent and name. Two moves that are each fine, /a into /b and /b into /a, would together cut a ring out of the
 * tree; so directories move one at a time, and look again once it is their turn.
 */
export async function rename({ db }: MasterContext, request: { requestId: string; from: string; to: string }) {
  const { requestId, from, to } = request;
  const source = parsePath(from);
  const target = parsePath(to);
  await once(db, requestId, REQUEST_KEEP_MS, async (tx) => {
    let found = await walk(tx, [source.names, target.names]);
    if (endOf(found[0]!, source, from)?.type === 'directory') {
      await lockTree(tx);
      found = await walk(tx, [source.names, target.names]);
    }
    parentOf(found[0]!, source, from);
    const moving = endOf(found[0]!, source, from);
    if (!moving) throw new PanguError('ENOENT', `${from} does not exist`);
    const parent = parentOf(found[1]!, target, to);
    const standing = endOf(found[1]!, { ...target, directory: false }, to);
    if (moving.id === standing?.id) return;
    if (moving.type === 'directory' && isWithin(target.names, source.names)) throw new PanguError('EINVAL', `${to} is inside ${from}`);
    if (moving.type === 'file' && target.directory) throw new PanguError('ENOTDIR', `${to} names a directory, ${from} is a file`);
    if (moving.type === 'directory') await lockMove(tx, moving.parent, parent.id);
    if (standing) await makeWay(tx, moving, standing, to);
    await move(tx, moving, parent.id, target.names.at(-1)!);
  });
  return {};
}

async function makeWay(tx: Queryable, moving: Inode, standing: Inode, to: string): Promise<void> {
  if (standing.type === 'directory') {
    if (moving.type === 'file') throw new PanguError('EISDIR', `${to} is a directory`);
    await removeEmptyDirectory(tx, standing, to);
  } else {
    if (moving.type === 'directory') throw new PanguError('ENOTDIR', `${to} is a file`);
    await detach(tx, standing);
  }
}
