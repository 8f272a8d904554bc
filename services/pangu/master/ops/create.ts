import { sql } from 'drizzle-orm';
import type { z } from 'zod';
import { retryConflicts, rows } from '../../../base/database.ts';
import { PanguError } from '../../contract.ts';
import { parsePath } from '../../core/path.ts';
import type { Allocation, masterService } from '../../master-contract.ts';
import { findAllocation, placeChunk, toReplica } from '../chunks.ts';
import type { MasterContext } from '../context.ts';
import { endOf, parentOf, walk } from '../inodes.ts';
import { makeDirectories } from '../tree.ts';

type Request = z.output<(typeof masterService.methods.create)['request']>;

/**
 * Mode `wx` puts the file at its path now; the unique key of (parent, name) decides who was first. Mode `w` makes a hidden one that
 * `commit` puts there. The caller chose the id, so that a second try finds what the first one made.
 * One statement looks, one inserts file, chunk and replicas together.
 */
export async function create(context: MasterContext, request: Request, owner = ''): Promise<Allocation> {
  const { db } = context;
  const { file, path, mode, chunkBytes } = request;
  const parsed = parsePath(path);
  if (parsed.directory) throw new PanguError('EISDIR', `${path} names a directory`);
  return retryConflicts(async () => {
    let [inodes] = await walk(db, [parsed.names]);
    const existing = endOf(inodes!, parsed, path);
    if (existing?.id === file) return (await findAllocation(context, file, 0)) ?? lost(file);
    if (existing?.type === 'directory' && mode === 'w') throw new PanguError('EISDIR', `${path} is a directory`);
    if (existing && mode === 'wx') throw new PanguError('EEXIST', `${path} exists`);
    if (request.parents && inodes!.length < parsed.names.length) {
      await makeDirectories(db, parsed.names.slice(0, -1), owner);
      [inodes] = await walk(db, [parsed.names]);
    }
    const parent = parentOf(inodes!, parsed, path);

    const { chunk, nodes } = placeChunk(context, request);
    const name = parsed.names.at(-1)!;
    const place = mode === 'wx' ? { parent: parent.id, target: null } : { parent: null, target: path };
    const inserted = await rows(
      db,
      sql`
        with file as (
          insert into pangu.inodes (id, parent, name, type, state, chunk_bytes, replicas, target, owner)
          values (${file}, ${place.parent}, ${name}, 'file', 'open', ${chunkBytes}, ${request.replicas}, ${place.target}, ${owner})
          on conflict (id) do nothing returning id
        ), chunk as (
          insert into pangu.chunks (id, file, index) select ${chunk}, id, 0 from file returning id
        )
        insert into pangu.replicas (chunk, node)
        select chunk.id, node from chunk cross join jsonb_array_elements_text(${JSON.stringify(nodes)}::jsonb) node
        returning node`,
    );
    if (inserted.length === 0) return (await findAllocation(context, file, 0)) ?? lost(file);
    return { chunk, index: 0, replicas: nodes.map((node) => toReplica(context, node)) };
  });
}

function lost(file: string): never {
  throw new PanguError('ENOENT', `file ${file} was made and removed`);
}
