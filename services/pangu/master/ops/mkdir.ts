import { inTransaction } from '../../../base/database.ts';
import { PanguError } from '../../contract.ts';
import { parsePath } from '../../core/path.ts';
import type { MasterContext } from '../context.ts';
import { endOf, parentOf, walk } from '../inodes.ts';
import { once, REQUEST_KEEP_MS } from '../once.ts';
import { insertDirectory, makeDirectories } from '../tree.ts';

export async function mkdir(
  { db }: MasterContext,
  { requestId, path, recursive }: { requestId: string; path: string; recursive: boolean },
  owner = '',
) {
  const parsed = parsePath(path);
  if (recursive) {
    await inTransaction(db, async (tx) => {
      const [inodes] = await walk(tx, [parsed.names]);
      const there = endOf(inodes!, { ...parsed, directory: false }, path);
      if (there?.type === 'file') throw new PanguError('EEXIST', `${path} is a file`);
      if (!there) await makeDirectories(tx, parsed.names, owner);
    });
    return {};
  }
  await once(db, requestId, REQUEST_KEEP_MS, async (tx) => {
    const [inodes] = await walk(tx, [parsed.names]);
    if (endOf(inodes!, { ...parsed, directory: false }, path)) throw new PanguError('EEXIST', `${path} exists`);
    await insertDirectory(tx, parentOf(inodes!, parsed, path).id, parsed.names.at(-1)!, owner);
  });
  return {};
}
