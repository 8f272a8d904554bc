import { sql } from 'drizzle-orm';
import { rows } from '../../base/database.ts';
import { hasCode, messageOf } from '../../base/errors.ts';
import { inParallel } from '../../base/in-parallel.ts';
import { discardChunks, NODES } from './chunks.ts';
import type { MasterContext } from './context.ts';
import { askVersion, keepReplicas } from './random-replicas.ts';
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
 * Ends the writing of a `random` file whose writer is gone. What it had under way may be on some replicas and not on others, and nobody may see both.
 *
 *   1. claim    one transaction: `epoch` grows, so nothing the old writer, or an earlier recovery, still asks of masters is done. A hidden file goes at once
 *   2. fence    each chunk gets the next version, and its servers are told: what the old writer still sends is refused. They say what they hold (`digest`)
 *   3. equal    where replicas differ, which they do only in what was never acknowledged, the one that most agree with is kept and the others fetch what
 *               differs; who does not answer, or cannot, does not count any more
 *   4. record   one transaction, if the epoch is still ours: how long the file is, chunks that were never made go, `closed`, nobody's
 *
 * Every step may be done again. A chunk that was to be cut (its row is shorter than chunks are) is cut. The file ends where the last byte written ends: what was
 * acknowledged beyond the size that a master knew is kept.
 */
const CLAIM_MS = 60_000;
const PULL_TIMEOUT_MS = 60_000;
const CUT_TIMEOUT_MS = 10_000;
const PARALLEL_MAX = 8;

interface Chunk {
  chunk: string;
  index: number;
  length: number;
  version: number;
  nodes: string[];
}

type State = { node: string; end: number; digest: number };

export async function recoverRandomFile(
  context: MasterContext,
  file: string,
  was: SeenWith,
  { force = false }: RecoveryOptions = {},
): Promise<RecoveryOutcome> {
  const claimed = await claimFile(context, { file, kind: 'random', was, force, claimMs: CLAIM_MS });
  if (typeof claimed === 'string') return claimed;
  const chunks = await rows<Chunk>(
    context.db,
    sql`select c.id as chunk, c.index, c.length, c.version, ${NODES} as nodes from pangu.chunks c where c.file = ${file} order by c.index`,
  );
  const made = chunks.filter(({ length }) => length > 0);
  const ends: (number | undefined)[] = [];
  try {
    await inParallel(
      made.entries(),
      PARALLEL_MAX,
      () => true,
      async ([at, chunk]) => {
        ends[at] = await settleChunk(context, claimed, chunk);
      },
    );
  } catch (error) {
    if (hasCode(error, 'ESTALE')) return 'moved'; // another recovery came before the end of this one
    throw error;
  }
  if (ends.some((end) => end === undefined)) {
    await unclaim(context, claimed);
    return 'missing';
  }
  const written = made.map(({ index }, i) => (ends[i]! > 0 ? index * claimed.chunkBytes + ends[i]! : 0));
  const outcome = await record(
    context,
    claimed,
    chunks.filter(({ length }) => length === 0).map(({ chunk }) => chunk),
    Math.max(claimed.size, ...written),
  );
  context.log.info({ file, chunks: made.length, outcome }, 'file.recovered');
  return outcome;
}

/** @returns where it ends; undefined when no replica answers. */
async function settleChunk(context: MasterContext, file: ClaimedFile, chunk: Chunk): Promise<number | undefined> {
  try {
    // All survive for now; who cannot be told does not.
    const row = await keepReplicas(context, {
      chunk: chunk.chunk,
      version: chunk.version,
      survivors: chunk.nodes,
      epoch: file.epoch,
      leastReplicas: 1,
    });
    const states = (await Promise.all(row.nodes.map((node) => askVersion(context, node, row)))).filter((state) => state !== undefined);
    const [kept] = states.sort((a, b) => agreeing(states, b) - agreeing(states, a));
    if (!kept) return undefined;
    const equal = await Promise.all(
      states.map(async (state) => state.digest === kept.digest || (await pull(context, file, row, kept, state.node))),
    );
    const survivors = states.filter((_, i) => equal[i]).map(({ node }) => node);
    let { version, nodes } = row;
    if (survivors.length < nodes.length) {
      const wish = { chunk: chunk.chunk, version, survivors, epoch: file.epoch, leastReplicas: 1 };
      ({ version, nodes } = await keepReplicas(context, wish));
    }
    if (chunk.length === file.chunkBytes) return kept.end;
    await cut(context, { ...chunk, version, nodes });
    return Math.min(kept.end, chunk.length);
  } catch (error) {
    context.log.warn({ file: file.id, chunk: chunk.chunk, error: messageOf(error) }, 'random.not-recovered');
    if (hasCode(error, 'ESTALE')) throw error;
    return undefined;
  }
}

const agreeing = (states: readonly State[], { digest }: State): number => states.filter((other) => other.digest === digest).length;

/** @returns whether the replica on `node` is now as `kept`. */
async function pull(
  { chunkServers, chunkServerAt, log }: MasterContext,
  file: ClaimedFile,
  { chunk, version }: { chunk: string; version: number },
  kept: State,
  node: string,
): Promise<boolean> {
  const [server, source] = [chunkServers.get(node), chunkServers.get(kept.node)];
  if (!server || !source) return false;
  const from = { node: source.id, address: source.address };
  try {
    const request = { node, chunk, version, capacityBytes: file.chunkBytes, from };
    const pulled = await chunkServerAt(server.address).randomPull(request, { timeoutMs: PULL_TIMEOUT_MS });
    log.info({ chunk, node, from: kept.node, bytes: pulled.copiedBytes }, 'random.made-equal');
    return pulled.digest === kept.digest;
  } catch (error) {
    log.warn({ chunk, node, error: messageOf(error) }, 'random.not-made-equal');
    return false;
  }
}

/** Throws when a replica cannot be cut: the next recovery goes on. */
async function cut({ chunkServers, chunkServerAt }: MasterContext, { chunk, version, length, nodes }: Chunk): Promise<void> {
  await Promise.all(
    nodes.map(async (node) => {
      const server = chunkServers.get(node);
      if (!server) throw new Error(`${node} is away`);
      await chunkServerAt(server.address).randomCut({ node, chunk, version, length, durable: true }, { timeoutMs: CUT_TIMEOUT_MS });
    }),
  );
}

function record(context: MasterContext, file: ClaimedFile, unmade: readonly string[], size: number): Promise<RecoveryOutcome> {
  return recordClaimed(context, file, async (tx) => {
    await discardChunks(tx, unmade);
    await tx.execute(sql`update pangu.chunks set length = ${file.chunkBytes} where file = ${file.id} and length > 0`);
    await tx.execute(sql`
      update pangu.inodes set state = 'closed', writer = null, recovery_until = null, size = ${size}, modified_at = now() where id = ${file.id}`);
  });
}
