import { sql } from 'drizzle-orm';
import { inTransaction, type Queryable, rows } from '../../../base/database.ts';
import { messageOf } from '../../../base/errors.ts';
import { PanguError } from '../../contract.ts';
import type { RandomPlace } from '../../random-contract.ts';
import { discardChunks, discardReplicas, placeChunk } from '../chunks.ts';
import type { MasterContext } from '../context.ts';
import { INODE_COLUMNS, type Inode } from '../inodes.ts';
import { assertEpoch } from '../lease.ts';
import { assertRoom } from '../quotas.ts';
import { findRandomChunk, placeOf, RANDOM_COLUMNS, type RandomRow } from '../random-replicas.ts';

interface Request {
  file: string;
  epoch: number;
  index: number;
  preferNode?: string;
  end?: number;
}

const MAKE_TIMEOUT_MS = 10_000;
/** Placed anew when a server of the first choice fails. */
const TRIES = 3;

/**
 * Rows first, with length 0: no reader sees it. Then the chunk is made on its servers; those that fail are left out. Then it counts. A master that dies in
 * between leaves what the next call goes on with, or what goes when the file is recovered.
 */
export async function randomAllocate(context: MasterContext, request: Request): Promise<RandomPlace> {
  const exclude: string[] = [];
  for (let attempt = 1; ; attempt++) {
    const row = await findOrPlace(context, request, exclude);
    if (row.length > 0) return placeOf(context, row);
    const failed = await make(context, row);
    exclude.push(...failed);
    const left = row.nodes.length - failed.length;
    if (left >= Math.max(1, row.minReplicas) && (left === row.nodes.length || attempt === TRIES)) {
      const counted = await inTransaction(context.db, (tx) => count(tx, request, row, failed));
      return placeOf(context, counted);
    }
    if (attempt === TRIES)
      throw new PanguError('EIO', `a chunk could be made on ${left} of ${row.nodes.length} servers`, {
        details: { file: request.file, excluded: exclude },
      });
    await inTransaction(context.db, (tx) => giveUp(tx, row));
  }
}

async function lockFile(tx: Queryable, { file, epoch }: Request): Promise<Inode> {
  const [inode] = await rows<Inode>(tx, sql`select ${INODE_COLUMNS} from pangu.inodes i where i.id = ${file} for share`);
  if (!inode || inode.deleted) throw new PanguError('ENOENT', 'the file was removed while it was written');
  assertEpoch(inode, epoch);
  if (inode.state !== 'open') throw new PanguError('EBADF', 'the file is closed');
  return inode;
}

function findOrPlace(context: MasterContext, request: Request, exclude: readonly string[]): Promise<RandomRow> {
  const { file, index, preferNode, end } = request;
  return inTransaction(context.db, async (tx) => {
    const inode = await lockFile(tx, request);
    const [there] = await rows<RandomRow>(
      tx,
      sql`select ${RANDOM_COLUMNS} from pangu.chunks c join pangu.inodes i on i.id = c.file where c.file = ${file} and c.index = ${index}`,
    );
    if (there) return there;
    if (end !== undefined && inode.parent) await assertRoom(context.db, { directory: inode.parent, written: end, counted: inode.size });
    const { chunk, nodes } = placeChunk(context, { ...inode, preferNode, exclude });
    await tx.execute(sql`
      insert into pangu.chunks (id, file, index, "offset", version) values (${chunk}, ${file}, ${index}, ${index * inode.chunkBytes}, 1)`);
    await tx.execute(sql`
      insert into pangu.replicas (chunk, node) select ${chunk}, node from jsonb_array_elements_text(${JSON.stringify(nodes)}::jsonb) node`);
    return (await findRandomChunk(tx, chunk))!;
  });
}

/** @returns nodes on which it could not be made. */
async function make(
  { chunkServers, chunkServerAt, log }: MasterContext,
  { chunk, version, nodes, chunkBytes }: RandomRow,
): Promise<string[]> {
  const made = await Promise.all(
    nodes.map(async (node) => {
      const server = chunkServers.get(node);
      if (!server) return false;
      return chunkServerAt(server.address)
        .randomMake({ node, chunk, version, capacityBytes: chunkBytes }, { timeoutMs: MAKE_TIMEOUT_MS })
        .then(
          () => true,
          (error) => {
            log.warn({ chunk, node, error: messageOf(error) }, 'random.make.failed');
            return false;
          },
        );
    }),
  );
  return nodes.filter((_, i) => !made[i]);
}

async function count(tx: Queryable, request: Request, { chunk, chunkBytes }: RandomRow, failed: readonly string[]): Promise<RandomRow> {
  await lockFile(tx, request);
  await tx.execute(sql`update pangu.chunks set length = ${chunkBytes} where id = ${chunk} and length = 0`);
  await discardReplicas(
    tx,
    failed.map((node) => ({ chunk, node })),
  );
  const row = await findRandomChunk(tx, chunk);
  if (!row) throw new PanguError('ENOENT', 'the chunk was removed');
  return row;
}

async function giveUp(tx: Queryable, { chunk }: RandomRow): Promise<void> {
  const unused = await rows<{ id: string }>(tx, sql`select id from pangu.chunks where id = ${chunk} and length = 0 for update`);
  await discardChunks(
    tx,
    unused.map(({ id }) => id),
  );
}
