import { sql } from 'drizzle-orm';
import { inTransaction, type Queryable, rows } from '../../base/database.ts';
import { hasCode } from '../../base/errors.ts';
import { type FoundChunk, planRecovery, type RecoveredChunk } from '../core/recovery.ts';
import type { ChunkState } from '../core/states.ts';
import { discardChunks, NODES } from './chunks.ts';
import { closeFile, recordChunks } from './close-file.ts';
import type { MasterContext } from './context.ts';
import { freezeChunk, sealAt } from './freeze-chunk.ts';
import { INODE_COLUMNS, type Inode } from './inodes.ts';

/**
 * Ends a file whose writer is gone, so that it can be read whole and written again.
 *
 *   1. claim    one transaction: `epoch` grows, so that nothing the old writer, or an earlier recovery, still asks of masters is done. A hidden file, which
 *               nobody but its writer knew of, goes at once
 *   2. freeze   its open chunks are sealed where they are, on every replica that answers. An append is acknowledged when all replicas took it, so from here on none is
 *   3. plan     what each replica holds is known now, and stays so: core/recovery.ts says what the file is
 *   4. seal     the replicas that are longer are cut to that
 *   5. record   one transaction, if the epoch is still ours: chunks, replicas, `closed`, nobody's
 *
 * Every step may be done again. A master that dies on the way leaves the claim, which ends by itself; whoever comes next begins anew under a higher epoch, and
 * can only find chunks as short as, or shorter than, those the first one saw, as long as that one recorded nothing.
 */
export type RecoveryOutcome = 'closed' | 'removed' | 'moved' | 'underway' | 'missing';

/** From claim to record, with servers that do not answer on the way. */
const CLAIM_MS = 20_000;

interface OpenFile {
  id: string;
  epoch: number;
  chunkBytes: number;
}

/**
 * @param was the writer, or the epoch, that the file was seen with: another one there now is none of our business (`moved`)
 * @param force do not leave it to another recovery that is under way
 */
export async function recoverFile(
  context: MasterContext,
  file: string,
  was: { writer?: string | null; epoch?: number },
  { force = false }: { force?: boolean } = {},
): Promise<RecoveryOutcome> {
  const claimed = await claim(context, file, was, force);
  if (typeof claimed === 'string') return claimed;
  const found = await freezeAll(context, claimed);
  let plan = planRecovery(found.chunks);
  if (plan.kind === 'missing' && found.complete) {
    // Everybody who could have the bytes has answered: they are lost, and waiting brings none back.
    context.log.error({ file, chunk: plan.chunk }, 'recovery.bytes.lost');
    plan = planRecovery(found.chunks.map((chunk) => (chunk.state === 'open' ? { ...chunk, length: 0 } : chunk)));
  }
  if (plan.kind === 'missing') {
    await unclaim(context, claimed);
    return 'missing';
  }
  const kept = await Promise.all(plan.keep.map((chunk) => sealKept(context, found.chunks, chunk)));
  if (kept.some((chunk) => chunk?.nodes?.length === 0)) {
    await unclaim(context, claimed);
    return 'missing';
  }
  const outcome = await record(context, claimed, found.chunks, kept, plan.drop);
  context.log.info({ file, chunks: kept.length, dropped: plan.drop.length, outcome }, 'file.recovered');
  return outcome;
}

function claim(
  { db }: MasterContext,
  file: string,
  was: { writer?: string | null; epoch?: number },
  force: boolean,
): Promise<OpenFile | RecoveryOutcome> {
  return inTransaction(db, async (tx) => {
    const [inode] = await rows<Inode & { claimed: boolean }>(
      tx,
      sql`
        select ${INODE_COLUMNS}, coalesce(i.recovery_until > now(), false) as claimed
        from pangu.inodes i where i.id = ${file} and i.type = 'file' for update`,
    );
    // Chunks of other kinds of files are not for us to seal.
    if (!inode || inode.deleted || inode.state === 'closed' || inode.kind !== 'append') return 'moved';
    if (was.writer !== undefined && inode.writer !== was.writer) return 'moved';
    if (was.epoch !== undefined && inode.epoch !== was.epoch) return 'moved';
    if (inode.claimed && !force) return 'underway';
    if (inode.target !== null) {
      await tx.execute(sql`
        update pangu.inodes set parent = null, target = null, deleted_at = to_timestamp(0), epoch = epoch + 1, writer = null where id = ${file}`);
      return 'removed';
    }
    await tx.execute(sql`
      update pangu.inodes set epoch = epoch + 1, recovery_until = now() + make_interval(secs => ${CLAIM_MS / 1000}) where id = ${file}`);
    return { id: file, epoch: inode.epoch + 1, chunkBytes: inode.chunkBytes };
  });
}

/** Could not be done yet: the next one need not wait for the claim to run out. */
async function unclaim({ db }: MasterContext, { id, epoch }: OpenFile): Promise<void> {
  await db.execute(sql`update pangu.inodes set recovery_until = null where id = ${id} and epoch = ${epoch}`);
}

/** `complete`: every replica of every open chunk has said what it holds. */
async function freezeAll(context: MasterContext, file: OpenFile): Promise<{ chunks: FoundChunk[]; complete: boolean }> {
  const chunks = await rows<{ chunk: string; offset: number; state: ChunkState; length: number; nodes: string[] }>(
    context.db,
    sql`
      select c.id as chunk, c."offset", c.state, c.length, ${NODES} as nodes from pangu.chunks c where c.file = ${file.id} order by c."offset", c.index`,
  );
  let complete = true;
  const found = await Promise.all(
    chunks.map(async ({ nodes, ...chunk }): Promise<FoundChunk> => {
      if (chunk.state === 'sealed') return { ...chunk, replicas: [] };
      const frozen = await freezeChunk(context, chunk.chunk, nodes);
      if (frozen.silent.length > 0) complete = false;
      return { ...chunk, replicas: frozen.replicas };
    }),
  );
  return { chunks: found, complete };
}

/** Replicas that cannot be cut do not count any more. */
async function sealKept(context: MasterContext, found: readonly FoundChunk[], kept: RecoveredChunk): Promise<RecoveredChunk> {
  if (!kept.nodes) return kept;
  const { replicas } = found.find(({ chunk }) => chunk === kept.chunk)!;
  const longer = replicas.filter(({ node, length }) => kept.nodes!.includes(node) && length > kept.length);
  const failed = await sealAt(
    context,
    kept.chunk,
    kept.length,
    longer.map(({ node }) => node),
  );
  return { ...kept, nodes: kept.nodes.filter((node) => !failed.includes(node)) };
}

function record(
  { db }: MasterContext,
  file: OpenFile,
  found: readonly FoundChunk[],
  kept: readonly RecoveredChunk[],
  drop: readonly string[],
): Promise<RecoveryOutcome> {
  return inTransaction(db, async (tx) => {
    const [inode] = await rows<Inode>(tx, sql`select ${INODE_COLUMNS} from pangu.inodes i where i.id = ${file.id} for update`);
    if (!inode || inode.deleted || inode.epoch !== file.epoch || inode.state === 'closed') return 'moved';
    await discardChunks(tx, drop);
    const ended = kept.filter(({ nodes }) => nodes !== undefined);
    const lost = await Promise.all(ended.map(({ chunk, nodes }) => otherNodes(tx, chunk, nodes!)));
    await cutRecords(tx, found, ended);
    if (ended.length > 0)
      await recordChunks(
        tx,
        inode,
        ended.map(({ chunk, offset, length }, i) => ({ chunk, offset, length, state: 'sealed', lost: lost[i]! })),
      );
    await closeFile(tx, file.id);
    return 'closed';
  });
}

/** Where bytes were lost for good, a chunk ends before what was recorded of it. */
async function cutRecords(tx: Queryable, found: readonly FoundChunk[], ended: readonly RecoveredChunk[]): Promise<void> {
  for (const { chunk, length } of ended) {
    if (found.some((other) => other.chunk === chunk && other.length > length))
      await tx.execute(sql`update pangu.chunks set length = ${length} where id = ${chunk}`);
  }
}

async function otherNodes(tx: Queryable, chunk: string, nodes: readonly string[]): Promise<string[]> {
  const held = await rows<{ node: string }>(tx, sql`select node from pangu.replicas where chunk = ${chunk}`);
  return held.map(({ node }) => node).filter((node) => !nodes.includes(node));
}

/** True when the file's writer is gone, so that it may be recovered. A file that nobody keeps a lease of is anybody's. */
export async function isAbandoned({ writers }: MasterContext, { writer }: { writer: string | null }): Promise<boolean> {
  if (writer === null) return true;
  try {
    return (await writers?.isGone(writer)) ?? false;
  } catch (error) {
    if (hasCode(error, 'Unavailable', 'DeadlineExceeded')) return false;
    throw error;
  }
}
