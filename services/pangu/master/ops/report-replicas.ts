import { sql } from 'drizzle-orm';
import { inTransaction, rows } from '../../../base/database.ts';
import { hasCode, messageOf } from '../../../base/errors.ts';
import { inParallel } from '../../../base/in-parallel.ts';
import { discardReplicas } from '../chunks.ts';
import type { MasterContext } from '../context.ts';
import { healingMetrics } from '../healing-metrics.ts';
import { reportBadReplica } from './report-bad-replica.ts';

/**
 * A chunk server tells what its disk did to it. What is bad is judged as when a reader says so. What is lost is not there to be judged: the server is asked
 * once more, since its word may be old by now, and then the row goes if another replica is on a server that is there. Else it stays on the list, so that the
 * chunk is known to be unreadable and not forgotten: a disk may come back.
 */
const ASK_TIMEOUT_MS = 10_000;
const AT_ONCE = 8;

export async function reportReplicas(context: MasterContext, { node, lost, bad }: { node: string; lost: string[]; bad: string[] }) {
  await inParallel(
    lost,
    AT_ONCE,
    () => true,
    async (chunk) => void (await dropLost(context, chunk, node)),
  );
  await inParallel(
    bad,
    AT_ONCE,
    () => true,
    async (chunk) => void (await reportBadReplica(context, { chunk, node, reason: `${node} found it damaged` })),
  );
  return {};
}

/** @returns whether a row went. */
export async function dropLost(context: MasterContext, chunk: string, node: string): Promise<boolean> {
  if (!(await isLost(context, chunk, node))) return false;
  const dropped = await inTransaction(context.db, async (tx) => {
    await tx.execute(sql`select id from pangu.chunks where id = ${chunk} for update`);
    const left = await rows<{ node: string }>(tx, sql`select node from pangu.replicas where chunk = ${chunk}`);
    if (!left.some((replica) => replica.node === node)) return false;
    if (!left.some((replica) => replica.node !== node && context.chunkServers.get(replica.node) !== undefined)) {
      context.log.error({ chunk, node }, 'replica.lost.last-one');
      return false;
    }
    await discardReplicas(tx, [{ chunk, node }], { kind: 'replicaLost', cause: `its file is not on ${node} any more` });
    return true;
  });
  if (dropped) healingMetrics.replicasLost.inc();
  return dropped;
}

async function isLost({ chunkServers, chunkServerAt, log }: MasterContext, chunk: string, node: string): Promise<boolean> {
  const server = chunkServers.get(node);
  if (!server) return false;
  try {
    await chunkServerAt(server.address).verify({ node, chunk, length: 0 }, { timeoutMs: ASK_TIMEOUT_MS });
    return false;
  } catch (error) {
    if (hasCode(error, 'NoChunk', 'DiskFailed')) return true;
    log.warn({ chunk, node, error: messageOf(error) }, 'replica.not-asked');
    return false;
  }
}
