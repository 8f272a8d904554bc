import { sql } from 'drizzle-orm';
import { inTransaction, rows } from '../../../base/database.ts';
import { hasCode, messageOf } from '../../../base/errors.ts';
import { discardReplicas } from '../chunks.ts';
import type { MasterContext } from '../context.ts';
import { noteDamaged, noteWhole } from '../damaged-chunks.ts';
import { dropRandomReplica } from '../random-replicas.ts';

/** 64 MiB from a busy disk. */
const VERIFY_TIMEOUT_MS = 30_000;

/**
 * A reader may be wrong: its own memory or network may be what is broken. So the accused replica is read back where it lies,
 * and it goes only when it fails there too and another one was found good. The last replica of a chunk is never dropped: where all are bad the
 * ledger says so, and fsck, until one is found whole.
 */
export async function reportBadReplica(context: MasterContext, { chunk, node, reason }: { chunk: string; node: string; reason: string }) {
  const { db, log } = context;
  const found = await rows<{ node: string; length: number }>(
    db,
    sql`select r.node, c.length from pangu.chunks c join pangu.replicas r on r.chunk = c.id where c.id = ${chunk}`,
  );
  if (!found.some((replica) => replica.node === node)) return { dropped: false };
  const { length } = found[0]!;
  if ((await judge(context, chunk, node, length)) !== 'bad') return { dropped: false };
  let known = true;
  for (const other of found) {
    if (other.node === node) continue;
    const verdict = await judge(context, chunk, other.node, length);
    known &&= verdict !== 'unknown';
    if (verdict !== 'good') continue;
    await noteWhole(db, chunk);
    if (await dropRandomReplica(context, chunk, node, reason)) return { dropped: true };
    const dropped = await inTransaction(db, async (tx) => {
      // One report at a time for a chunk, so that two that accuse each other's witness do not both come through.
      await tx.execute(sql`select id from pangu.chunks where id = ${chunk} for update`);
      const left = await rows<{ node: string }>(tx, sql`select node from pangu.replicas where chunk = ${chunk}`);
      if (!left.some((replica) => replica.node === node) || !left.some((replica) => replica.node === other.node)) return false;
      await discardReplicas(tx, [{ chunk, node }], { kind: 'replicaBad', cause: reason });
      return true;
    });
    if (dropped) {
      log.warn({ chunk, node, reason, good: other.node }, 'replica.dropped');
      context.replicaDropped?.();
    }
    return { dropped };
  }
  log.error({ chunk, node, reason }, 'replica.bad.no-good-one');
  if (known) await noteDamaged(db, chunk, length);
  return { dropped: false };
}

async function judge(
  { chunkServers, chunkServerAt, log }: MasterContext,
  chunk: string,
  node: string,
  length: number,
): Promise<'good' | 'bad' | 'unknown'> {
  const server = chunkServers.get(node);
  if (!server) return 'unknown';
  try {
    await chunkServerAt(server.address).verify({ node, chunk, length }, { timeoutMs: VERIFY_TIMEOUT_MS });
    return 'good';
  } catch (error) {
    if (hasCode(error, 'BadChecksum', 'NoChunk', 'BadRange', 'DiskFailed')) return 'bad';
    log.warn({ chunk, node, error: messageOf(error) }, 'replica.unverified');
    return 'unknown';
  }
}
