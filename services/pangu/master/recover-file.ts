import { sql } from 'drizzle-orm';
import { type Queryable, rows } from '../../base/database.ts';
import { faultPoint } from '../../base/fault-points.ts';
import { type FoundChunk, planRecovery, type RecoveredChunk } from '../core/recovery.ts';
import type { ChunkState } from '../core/states.ts';
import { discardChunks, NODES } from './chunks.ts';
import { closeFile, recordChunks } from './close-file.ts';
import type { MasterContext } from './context.ts';
import { freezeChunk, sealAt } from './freeze-chunk.ts';
import { quotaRefusal } from './quotas.ts';
import {
  type ClaimedFile,
  claimFile,
  type RecoveryOptions,
  type RecoveryOutcome,
  recordClaimed,
  type SeenWith,
  unclaim,
} from './recovery-claim.ts';

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
/** From claim to record, with servers that do not answer on the way. */
const CLAIM_MS = 20_000;

/** `complete`: every replica of every open chunk has said what it holds. */
interface Found {
  chunks: FoundChunk[];
  complete: boolean;
}

export async function recoverFile(
  context: MasterContext,
  file: string,
  was: SeenWith,
  { force = false }: RecoveryOptions = {},
): Promise<RecoveryOutcome> {
  const claimed = await claimFile(context, { file, kind: 'append', was, force, claimMs: CLAIM_MS });
  if (typeof claimed === 'string') return claimed;
  faultPoint('recovery.claimed');
  const found = await freezeAll(context, claimed);
  faultPoint('recovery.frozen');
  try {
    return await end(context, claimed, found);
  } catch (error) {
    if (!quotaRefusal(error)) throw error;
    // What was told to a master is counted already; more than that does not fit, and its writer was not told that it would.
    return await end(context, claimed, { ...found, chunks: found.chunks.map(asRecorded) });
  }
}

function asRecorded(chunk: FoundChunk): FoundChunk {
  const replicas = chunk.replicas.filter(({ length }) => length >= chunk.length);
  return { ...chunk, replicas: replicas.map(({ node }) => ({ node, length: chunk.length })) };
}

async function end(context: MasterContext, claimed: ClaimedFile, found: Found): Promise<RecoveryOutcome> {
  const file = claimed.id;
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
  const kept = await Promise.all(plan.keep.map((chunk) => sealKept(context, chunk)));
  faultPoint('recovery.sealed');
  if (kept.some((chunk) => chunk?.nodes?.length === 0)) {
    await unclaim(context, claimed);
    return 'missing';
  }
  const outcome = await record(context, claimed, found.chunks, kept, plan.drop);
  context.log.info({ file, chunks: kept.length, dropped: plan.drop.length, outcome }, 'file.recovered');
  return outcome;
}

async function freezeAll(context: MasterContext, file: ClaimedFile): Promise<Found> {
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
async function sealKept(context: MasterContext, kept: RecoveredChunk): Promise<RecoveredChunk> {
  if (!kept.nodes) return kept;
  const failed = await sealAt(context, kept.chunk, kept.length, kept.nodes);
  return { ...kept, nodes: kept.nodes.filter((node) => !failed.includes(node)) };
}

function record(
  context: MasterContext,
  file: ClaimedFile,
  found: readonly FoundChunk[],
  kept: readonly RecoveredChunk[],
  drop: readonly string[],
): Promise<RecoveryOutcome> {
  return recordClaimed(context, file, async (tx, inode) => {
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
    faultPoint('recovery.recorded');
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
