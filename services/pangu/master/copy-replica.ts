import { type SQL, sql } from 'drizzle-orm';
import { inTransaction, type Queryable, rows } from '../../base/database.ts';
import { hasCode, messageOf } from '../../base/errors.ts';
import { faultPoint } from '../../base/fault-points.ts';
import { ChunkError } from '../chunk-contract.ts';
import { type Placement, placeReplicas } from '../core/placement.ts';
import type { ChunkState } from '../core/states.ts';
import type { CopyOutcome } from '../master-contract.ts';
import { discardReplicas, NODES } from './chunks.ts';
import type { ChunkServerInfo, MasterContext } from './context.ts';
import { DEAD } from './dead-nodes.ts';
import { noteInLedger } from './ledger.ts';
import { reportBadReplica } from './ops/report-bad-replica.ts';
import { copyRandomReplica } from './random-copy.ts';
import { findRandomChunk } from './random-replicas.ts';

/**
 * One replica of one chunk is copied to another node. With `from`, the one there goes in the same transaction in which the new one is counted, so that
 * a chunk never has fewer replicas than before.
 *
 *   1. a row in `copies` names the file that is about to be made (tables.ts, invariants 7 and 8); who finds one there joins in
 *   2. the target pulls the bytes from a replica; one that turns out bad is reported, and another is read
 *   3. one transaction, under the lock of the chunk's row, looks again: is the copy still wanted, and is it still ours? Then rows change;
 *      else the copy becomes garbage
 *
 * A master that dies in between leaves the row of `copies`, which whoever asks next goes on with, or whose time runs out.
 */
export interface CopyWish {
  chunk: string;
  /** This one is to go. @default one more is wanted */
  from?: string;
  to?: string;
  /** Is read first. */
  source?: string;
  /** Not faster than this. @default as fast as it goes */
  bytesPerSecond?: number;
  /** Why, for the ledger. */
  cause?: string;
  /** Seal a chunk that is still written to. */
  seal: boolean;
}

/** A busy disk still does this, and one call is not to last forever. */
const BYTES_PER_MS_MIN = 4 * 1024;
const COPY_MS_MIN = 15_000;
/** From the end of the copy to its transaction. */
const SETTLE_MS = 15_000;
const SEAL_TIMEOUT_MS = 10_000;
/** Each look that finds the chunk moved is one by which somebody else came to an end. */
const LOOKS_MAX = 10;

/** What a source may be guilty of; anything else is the target's or the network's. */
const BAD_REPLICA_CODES = ['BadChecksum', 'NoChunk', 'BadRange', 'DiskFailed'];

interface Chunk {
  id: string;
  length: number;
  state: ChunkState;
  chunkBytes: number;
  wanted: number;
  removed: boolean;
  nodes: string[];
  /** Those of them whose replicas count: on servers that are not dead. */
  counted: string[];
  /** Nodes that have yet to remove their file of it. */
  garbage: string[];
  copyTo: string | null;
}

export async function copyReplica(context: MasterContext, wish: CopyWish): Promise<CopyOutcome> {
  if (await findRandomChunk(context.db, wish.chunk)) return copyRandomReplica(context, wish.chunk, wish);
  for (let look = 1; ; look++) {
    const outcome = await copyOnce(context, wish);
    if (outcome !== 'moved') return outcome;
    if (look === LOOKS_MAX) return { outcome: 'failed', reason: `others move chunk ${wish.chunk} again and again` };
  }
}

/** `moved`: others moved the chunk since it was looked at, so what was decided is void. */
async function copyOnce(context: MasterContext, wish: CopyWish): Promise<CopyOutcome | 'moved'> {
  const { from } = wish;
  const chunk = await readChunk(context, wish.chunk);
  if (!chunk || chunk.removed || (from !== undefined && !chunk.nodes.includes(from))) return { outcome: 'gone' };
  if (from === undefined && chunk.counted.length >= chunk.wanted) return { outcome: 'gone' };
  if (chunk.nodes.length === 0) return { outcome: 'failed', reason: `chunk ${chunk.id} has no replica` };

  if (from !== undefined && (await dropIfEnough(context, chunk, from))) return { outcome: 'done' };

  const frozen = chunk.state === 'open' ? await freeze(context, chunk, wish) : { length: chunk.length };
  if ('outcome' in frozen) return frozen;
  const sources = sourcesOf(context, chunk, wish.source ?? from);
  if (sources.length === 0) return { outcome: 'failed', reason: `no replica of chunk ${chunk.id} is on a server that is there` };
  const { bytesPerSecond } = wish;
  const timeoutMs = COPY_MS_MIN + frozen.length / BYTES_PER_MS_MIN + (bytesPerSecond ? (frozen.length / bytesPerSecond) * 1_000 : 0);
  const target = await reserve(context, chunk, wish, sources.length * timeoutMs + SETTLE_MS, frozen.length);
  if (target === 'moved' || 'outcome' in target) return target;

  faultPoint('copy.reserved');
  const copied = await copyFrom(context, { chunk, target, sources, length: frozen.length, timeoutMs, bytesPerSecond });
  if (copied !== undefined) {
    await inTransaction(context.db, (tx) => giveUp(tx, chunk.id, target.id));
    return { outcome: 'failed', reason: copied };
  }
  const outcome = await settle(context, { chunk: chunk.id, from, to: target.id, length: frozen.length, cause: wish.cause ?? '' });
  context.log.debug({ chunk: chunk.id, from, to: target.id, outcome }, 'replica.copied');
  return { outcome, bytes: frozen.length, node: target.id };
}

async function readChunk({ db }: MasterContext, id: string): Promise<Chunk | undefined> {
  const [chunk] = await rows<Chunk>(
    db,
    sql`
      select c.id, c.length, c.state, i.chunk_bytes as "chunkBytes", i.replicas as wanted, i.deleted_at is not null as removed, ${NODES} as nodes,
        (select coalesce(json_agg(r.node), '[]') from pangu.replicas r where r.chunk = c.id and r.node not in ${DEAD}) as counted,
        (select coalesce(json_agg(g.node), '[]') from pangu.garbage g where g.chunk = c.id) as garbage,
        (select node from pangu.copies where chunk = c.id) as "copyTo"
      from pangu.chunks c join pangu.inodes i on i.id = c.file where c.id = ${id}`,
  );
  return chunk;
}

/**
 * Of a chunk that is written to, every acknowledged byte is on every replica. So once the one that is to go takes no more, what it has is all that
 * its writer can ever have had acknowledged; the writer is refused there at its next append and goes on in another chunk.
 */
async function freeze(
  { chunkServers, chunkServerAt, db }: MasterContext,
  { id, length }: Chunk,
  { from, seal }: CopyWish,
): Promise<{ length: number } | CopyOutcome> {
  const server = from === undefined ? undefined : chunkServers.get(from);
  if (!server?.draining || !seal) return { outcome: 'open' };
  const call = chunkServerAt(server.address);
  try {
    return await call.seal({ node: server.id, chunk: id, durable: true }, { timeoutMs: SEAL_TIMEOUT_MS });
  } catch (error) {
    // Never begun, and it won't be: a draining server makes no chunk.
    if (!hasCode(error, 'Draining') || length > 0) return { outcome: 'failed', reason: messageOf(error) };
    await call.delete({ node: server.id, chunks: [id] });
    await inTransaction(db, (tx) => discardReplicas(tx, [{ chunk: id, node: server.id }]));
    return { outcome: 'gone' };
  }
}

/** Nothing is copied when the others are enough without the one that is to go, and are there. */
async function dropIfEnough({ chunkServers, db }: MasterContext, { id, state, wanted, counted }: Chunk, from: string): Promise<boolean> {
  const isThere = (node: string): boolean => {
    const server = chunkServers.get(node);
    return node !== from && server !== undefined && !server.draining;
  };
  if (state !== 'sealed' || counted.filter(isThere).length < wanted) return false;
  return inTransaction(db, async (tx) => {
    await tx.execute(sql`select id from pangu.chunks where id = ${id} for update`);
    const left = await rows<{ node: string }>(tx, sql`select node from pangu.replicas where chunk = ${id}`);
    if (left.filter(({ node }) => isThere(node)).length < wanted) return false;
    await discardReplicas(tx, [{ chunk: id, node: from }], { kind: 'replicaLeft', cause: `${wanted} others are there` });
    return true;
  });
}

/** The replica that is to go is read first: its server has little else to do. Of an open chunk only that one is certain to be long enough. */
function sourcesOf({ chunkServers }: MasterContext, { nodes, state }: Chunk, first: string | undefined): ChunkServerInfo[] {
  const order = state === 'open' ? [first!] : [...nodes].sort((a, b) => Number(b === first) - Number(a === first));
  return order.flatMap((node) => chunkServers.get(node) ?? []);
}

/** Chooses where the copy goes, and writes that down. */
async function reserve(
  context: MasterContext,
  chunk: Chunk,
  wish: CopyWish,
  ms: number,
  bytes: number,
): Promise<ChunkServerInfo | CopyOutcome | 'moved'> {
  const node = chunk.copyTo ?? place(context, chunk, wish, bytes);
  if (typeof node !== 'string') return { outcome: 'noTarget', reason: whyNoTarget(node, bytes) };
  const target = await inTransaction(context.db, (tx) => writeDown(tx, chunk.id, node, ms));
  if (target === undefined) return 'moved';
  return (
    context.chunkServers.get(target) ?? { outcome: 'failed', reason: `${target}, where chunk ${chunk.id} is being copied to, is away` }
  );
}

/**
 * What was read of the chunk may be old by now: another mover may have settled in between, and put a replica just where this one would. So under the
 * lock that settling takes too it is looked at again (invariant 8).
 *
 * @returns the node of the copy under way, which may be one that others began; undefined when there is one there already, or one to be removed
 */
async function writeDown(tx: Queryable, chunk: string, node: string, ms: number): Promise<string | undefined> {
  await tx.execute(sql`select id from pangu.chunks where id = ${chunk} for update`);
  const [row] = await rows<{ node: string }>(tx, sql`select node from pangu.copies where chunk = ${chunk}`);
  const target = row?.node ?? node;
  const taken = await rows(
    tx,
    sql`
      select 1 from pangu.replicas where chunk = ${chunk} and node = ${target}
      union all select 1 from pangu.garbage where chunk = ${chunk} and node = ${target}`,
  );
  if (taken.length > 0) {
    await giveUp(tx, chunk, target);
    return undefined;
  }
  const until = sql`now() + make_interval(secs => ${ms / 1000})`;
  await tx.execute(sql`
    insert into pangu.copies (chunk, node, until) values (${chunk}, ${target}, ${until}) on conflict (chunk) do update set until = excluded.until`);
  return target;
}

function place({ chunkServers, random }: MasterContext, chunk: Chunk, { from, to }: CopyWish, bytes: number): string | Placement {
  const staying = chunk.counted.filter((node) => node !== from);
  // Where a server is that is away nobody knows; a rack of its own keeps it from counting for one that is known.
  const beside = staying.map((node) => chunkServers.get(node) ?? { rack: `of ${node}` });
  const exclude = [...chunk.nodes, ...chunk.garbage];
  const candidates = chunkServers.list().filter(({ id }) => to === undefined || id === to);
  const placement = placeReplicas(candidates, { replicas: 1, chunkBytes: bytes, exclude, beside }, random);
  return placement.kind === 'placed' ? placement.nodes[0]! : placement;
}

function whyNoTarget(placement: Placement, bytes: number): string {
  return placement.kind === 'noSpace' ? `no other server has ${bytes} bytes free` : 'no server is there that may take it';
}

/** @returns why it could not be copied, if so. */
async function copyFrom(
  context: MasterContext,
  copy: {
    chunk: Chunk;
    target: ChunkServerInfo;
    sources: ChunkServerInfo[];
    length: number;
    timeoutMs: number;
    bytesPerSecond: number | undefined;
  },
): Promise<string | undefined> {
  const { chunk, target, length, timeoutMs, bytesPerSecond } = copy;
  const { chunkServerAt, log } = context;
  let reason = '';
  for (const { id: node, address } of copy.sources) {
    try {
      const request = {
        node: target.id,
        chunk: chunk.id,
        capacityBytes: chunk.chunkBytes,
        length,
        from: { node, address },
        bytesPerSecond,
      };
      await chunkServerAt(target.address).copy(request, { timeoutMs });
      return undefined;
    } catch (error) {
      reason = messageOf(error);
      log.warn({ chunk: chunk.id, from: node, to: target.id, error: reason }, 'replica.copy.failed');
      if (!(error instanceof ChunkError) || error.code !== 'SourceFailed') return reason;
      if (BAD_REPLICA_CODES.includes(String(error.details.cause))) await reportBadReplica(context, { chunk: chunk.id, node, reason });
    }
  }
  return reason;
}

function settle(
  { db }: MasterContext,
  copy: { chunk: string; from: string | undefined; to: string; length: number; cause: string },
): Promise<'done' | 'gone' | 'failed'> {
  const { from, to } = copy;
  return inTransaction(db, async (tx) => {
    const [chunk] = await rows<{ length: number; wanted: number }>(
      tx,
      sql`
        select c.length, i.replicas as wanted from pangu.chunks c join pangu.inodes i on i.id = c.file
        where c.id = ${copy.chunk} for update of c`,
    );
    const ours = await rows(tx, sql`select 1 from pangu.copies where chunk = ${copy.chunk} and node = ${to} for update`);
    const held = await rows<{ node: string; dead: boolean }>(
      tx,
      sql`select node, node in ${DEAD} as dead from pangu.replicas where chunk = ${copy.chunk}`,
    );
    const left = held.map(({ node }) => node);
    const counted = held.filter(({ dead }) => !dead).length;
    const leaves = from !== undefined && left.includes(from);
    // Whoever joined in was quicker, or its time was over.
    if (ours.length === 0) return left.includes(to) && !leaves ? 'done' : 'failed';
    const wanted = chunk !== undefined && copy.length >= chunk.length && (leaves || counted < chunk.wanted);
    if (!wanted) {
      await giveUp(tx, copy.chunk, to);
      return 'gone';
    }
    await tx.execute(sql`delete from pangu.copies where chunk = ${copy.chunk}`);
    await tx.execute(sql`insert into pangu.replicas (chunk, node) values (${copy.chunk}, ${to})`);
    if (leaves) await discardReplicas(tx, [{ chunk: copy.chunk, node: from }]);
    const kind = leaves ? 'replicaMoved' : 'replicaMade';
    const cause = [leaves ? `from ${from}` : '', copy.cause].filter(Boolean).join(': ');
    faultPoint('copy.counted');
    await noteInLedger(tx, [{ kind, chunk: copy.chunk, node: to, bytes: copy.length, cause }]);
    return 'done';
  });
}

/** The file of a copy that nobody wants is garbage, unless it is a replica after all. */
async function giveUp(tx: Queryable, chunk: string, node: string): Promise<void> {
  await discardCopies(tx, sql`chunk = ${chunk} and node = ${node}`);
}

/** Copies that were not done in time. */
export async function discardLateCopies(tx: Queryable): Promise<void> {
  await discardCopies(tx, sql`until < now()`);
}

async function discardCopies(tx: Queryable, which: SQL): Promise<void> {
  await tx.execute(sql`
    with gone as (delete from pangu.copies where ${which} returning chunk, node)
    insert into pangu.garbage (chunk, node)
    select chunk, node from gone where not exists (select 1 from pangu.replicas r where r.chunk = gone.chunk and r.node = gone.node)
    on conflict do nothing`);
}
