import { sql } from 'drizzle-orm';
import type { z } from 'zod';
import { rows } from '../../../base/database.ts';
import { PanguError } from '../../contract.ts';
import type { Allocation, masterService } from '../../master-contract.ts';
import { findAllocation, placeChunk, toReplica } from '../chunks.ts';
import type { MasterContext } from '../context.ts';

type Request = z.output<(typeof masterService.methods.allocate)['request']>;

export async function allocate(context: MasterContext, request: Request): Promise<Allocation> {
  const { file, index, preferNode, exclude } = request;
  const [inode] = await rows<{ chunkBytes: number; replicas: number }>(
    context.db,
    sql`select chunk_bytes as "chunkBytes", replicas from pangu.inodes where id = ${file} and type = 'file' and deleted_at is null`,
  );
  if (!inode) throw new PanguError('ENOENT', 'the file was removed while it was written');
  const { chunk, nodes } = placeChunk(context, { ...inode, preferNode, exclude });
  // The share of the inode's lock: a chunk cannot join a file that is being closed.
  const inserted = await rows(
    context.db,
    sql`
      with file as (
        select id from pangu.inodes where id = ${file} and state = 'open' and deleted_at is null for share
      ), chunk as (
        insert into pangu.chunks (id, file, index) select ${chunk}, id, ${index} from file on conflict (file, index) do nothing returning id
      )
      insert into pangu.replicas (chunk, node)
      select chunk.id, node from chunk cross join jsonb_array_elements_text(${JSON.stringify(nodes)}::jsonb) node
      returning node`,
  );
  if (inserted.length > 0) return { chunk, index, replicas: nodes.map((node) => toReplica(context, node)) };
  const before = await findAllocation(context, file, index);
  if (!before) throw new PanguError('EBADF', 'the file is closed');
  return before;
}
