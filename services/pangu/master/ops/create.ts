import { sql } from 'drizzle-orm';
import type { z } from 'zod';
import { retryConflicts, rows } from '../../../base/database.ts';
import { PanguError } from '../../contract.ts';
import { type ParsedPath, parsePath } from '../../core/path.ts';
import type { masterService } from '../../master-contract.ts';
import { findAllocation, placeChunk } from '../chunks.ts';
import type { MasterContext } from '../context.ts';
import { chunkBytesBelow, endOf, parentOf, walk } from '../inodes.ts';
import { type Created, createdOf, insertFiles, newFile } from '../new-file.ts';
import { makeDirectories } from '../tree.ts';

type Request = z.output<(typeof masterService.methods.create)['request']>;

/**
 * Mode `wx` puts the file at its path now; the unique key of (parent, name) decides who was first. Mode `w` makes a hidden one that
 * `commit` puts there. The caller chose the id, so that a second try finds what the first one made.
 * One statement looks, one inserts file, chunk and replicas together; for those that are asked for at the same time all at once (together.ts).
 */
export async function create(context: MasterContext, request: Request, owner = ''): Promise<Created> {
  const { path } = request;
  const parsed = parsePath(path);
  if (parsed.directory) throw new PanguError('EISDIR', `${path} names a directory`);
  const created = await context.together?.create.ask({ request, parsed, owner });
  return created ?? createAlone(context, request, parsed, owner);
}

async function createAlone(context: MasterContext, request: Request, parsed: ParsedPath, owner: string): Promise<Created> {
  const { db } = context;
  const { file, path, mode } = request;
  return retryConflicts(async () => {
    let [inodes] = await walk(db, [parsed.names]);
    const existing = endOf(inodes!, parsed, path);
    if (existing?.id === file) return findCreated(context, file);
    if (existing?.type === 'directory' && mode === 'w') throw new PanguError('EISDIR', `${path} is a directory`);
    if (existing && mode === 'wx') throw new PanguError('EEXIST', `${path} exists`);
    if (request.parents && inodes!.length < parsed.names.length) {
      await makeDirectories(db, parsed.names.slice(0, -1), owner);
      [inodes] = await walk(db, [parsed.names]);
    }
    const parent = parentOf(inodes!, parsed, path);

    const chunkBytes = request.chunkBytes ?? chunkBytesBelow(inodes!);
    const at = { parent: parent.id, name: parsed.names.at(-1)!, chunkBytes, owner };
    const wanted = newFile(request, at, placeChunk(context, { ...request, chunkBytes }));
    // Whoever was quicker with the name is a conflict, after which it is looked at anew.
    const made = await insertFiles(db, [wanted], sql`on conflict (id) do nothing`);
    return made.has(file) ? createdOf(context, wanted) : findCreated(context, file);
  });
}

/** What the first try made. */
async function findCreated(context: MasterContext, file: string): Promise<Created> {
  const [inode] = await rows<{ epoch: number; chunkBytes: number }>(
    context.db,
    sql`select epoch, chunk_bytes as "chunkBytes" from pangu.inodes where id = ${file}`,
  );
  const allocation = await findAllocation(context, file, 0);
  return inode && allocation ? { ...allocation, ...inode } : lost(file);
}

function lost(file: string): never {
  throw new PanguError('ENOENT', `file ${file} was made and removed`);
}
