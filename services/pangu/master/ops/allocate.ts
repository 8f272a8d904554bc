import { sql } from 'drizzle-orm';
import type { z } from 'zod';
import { rows } from '../../../base/database.ts';
import { PanguError } from '../../contract.ts';
import { parsePath } from '../../core/path.ts';
import type { Allocation, masterService } from '../../master-contract.ts';
import { findAllocation, placeChunk, toReplica } from '../chunks.ts';
import type { MasterContext } from '../context.ts';
import { walk } from '../inodes.ts';
import { assertEpoch } from '../lease.ts';
import { assertRoom } from '../quotas.ts';

type Request = z.output<(typeof masterService.methods.allocate)['request']>;

export async function allocate(context: MasterContext, request: Request): Promise<Allocation> {
  const { file, index, preferNode, exclude, epoch, offset = 0 } = request;
  const [inode] = await rows<{
    chunkBytes: number;
    replicas: number;
    minReplicas: number;
    epoch: number;
    parent: string | null;
    target: string | null;
    size: number;
  }>(
    context.db,
    sql`
      select chunk_bytes as "chunkBytes", replicas, min_replicas as "minReplicas", epoch, parent, target, size from pangu.inodes
      where id = ${file} and type = 'file' and deleted_at is null`,
  );
  if (!inode) throw new PanguError('ENOENT', 'the file was removed while it was written');
  assertEpoch(inode, epoch);
  if (request.written !== undefined) await assertFits(context, inode, request.written);
  const { chunk, nodes } = placeChunk(context, { ...inode, preferNode, exclude });
  // The share of the inode's lock: a chunk cannot join a file that is being closed.
  const inserted = await rows(
    context.db,
    sql`
      with file as (
        select id from pangu.inodes where id = ${file} and state = 'open' and deleted_at is null and epoch = ${epoch ?? inode.epoch} for share
      ), chunk as (
        insert into pangu.chunks (id, file, index, "offset") select ${chunk}, id, ${index}, ${offset} from file on conflict (file, index) do nothing returning id
      )
      insert into pangu.replicas (chunk, node)
      select chunk.id, node from chunk cross join jsonb_array_elements_text(${JSON.stringify(nodes)}::jsonb) node
      returning node`,
  );
  if (inserted.length > 0) return { chunk, index, replicas: nodes.map((node) => toReplica(context, node)) };
  const [now] = await rows<{ epoch: number }>(context.db, sql`select epoch from pangu.inodes where id = ${file}`);
  if (now) assertEpoch(now, epoch ?? inode.epoch);
  const before = await findAllocation(context, file, index);
  if (!before) throw new PanguError('EBADF', 'the file is closed');
  return before;
}

/** A hidden file counts where it will appear. What it replaces there then counts no more. */
async function assertFits(
  { db }: MasterContext,
  { parent, target, size }: { parent: string | null; target: string | null; size: number },
  written: number,
): Promise<void> {
  if (parent) return assertRoom(db, { directory: parent, written, counted: size });
  if (!target) return;
  const { names } = parsePath(target);
  const [inodes] = await walk(db, [names]);
  const directory = inodes![names.length - 1];
  if (directory) await assertRoom(db, { directory: directory.id, written, counted: inodes![names.length]?.size ?? 0 });
}
