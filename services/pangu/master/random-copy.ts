import { sql } from 'drizzle-orm';
import { inTransaction, type Queryable, rows } from '../../base/database.ts';
import { messageOf } from '../../base/errors.ts';
import { placeReplicas } from '../core/placement.ts';
import type { CopyOutcome } from '../master-contract.ts';
import { discardReplicas } from './chunks.ts';
import type { MasterContext } from './context.ts';
import { deadNodes } from './dead-nodes.ts';
import { noteInLedger } from './ledger.ts';
import { askVersion, findRandomChunk, keepReplicas, type RandomRow, retire, tellVersion } from './random-replicas.ts';

/**
 * One more replica of a chunk of a `random` file, or one in the place of another. A sealed chunk never changes, so it is copied whenever one likes
 * (copy-replica.ts); this one may be written to meanwhile. So it is done in two steps:
 *
 *   begin   a row in `copies` names the new replica; it fetches what there is (`randomPull`), under version 0, which nobody reads or writes
 *   count   it fetches what changed since, and must then have the digest of a replica that counts; one transaction, if neither version nor writer is another
 *           one since: the version grows, and the new one counts under it. Nobody may write between the two: of an open file only its writer asks for this,
 *           and holds back; of a closed one the transaction finds out whether somebody opened it
 */
const PULL_TIMEOUT_MS = 120_000;
/** Both pulls and the transaction: until then nobody else takes the target's file for garbage. */
const COPY_MS = 2 * PULL_TIMEOUT_MS + 30_000;

type Begun = { outcome: 'begun'; node: string } | CopyOutcome;

/** `from`: this one is to go, so one is made though there are enough. */
export async function beginRandomCopy(
  context: MasterContext,
  row: RandomRow,
  { from, to }: { from?: string; to?: string } = {},
): Promise<Begun> {
  if (row.length === 0) return { outcome: 'gone' };
  if (from === undefined ? (await counted(context, row)).length >= row.wanted : !row.nodes.includes(from)) return { outcome: 'gone' };
  const target = await reserve(context, row, from, to);
  if (typeof target !== 'string') return target;
  const failed = await pull(context, row, target);
  if (failed === undefined) return { outcome: 'begun', node: target };
  await inTransaction(context.db, (tx) => giveUp(tx, row.chunk, target));
  return { outcome: 'failed', reason: failed };
}

/** @returns the row as it is then; undefined: something moved, and the copy is garbage. */
export async function countRandomCopy(
  context: MasterContext,
  row: RandomRow,
  target: string,
  { epoch, from }: { epoch: number; from?: string },
): Promise<RandomRow | undefined> {
  const made = await tryToCount(context, row, target, { epoch, from });
  if (!made) {
    await inTransaction(context.db, (tx) => giveUp(tx, row.chunk, target));
    return undefined;
  }
  const [untold] = await Promise.all([tellVersion(context, made), from === undefined ? undefined : retire(context, row.chunk, [from])]);
  context.log.info({ chunk: row.chunk, node: target, from, version: made.version }, 'random.replica.made');
  if (untold.length === 0) return made;
  // One that was not told, since its server is away or dead, is of an old version by now: rows name those of the present one alone.
  const survivors = made.nodes.filter((node) => !untold.includes(node));
  return keepReplicas(context, { chunk: made.chunk, version: made.version, survivors, epoch, leastReplicas: 1 });
}

/** Nodes of which the replicas count: they are not dead. */
async function counted({ db, chunkServers }: MasterContext, { nodes }: RandomRow): Promise<string[]> {
  const dead = (await deadNodes(db)).filter((node) => chunkServers.get(node) === undefined);
  return nodes.filter((node) => !dead.includes(node));
}

async function tryToCount(
  context: MasterContext,
  row: RandomRow,
  target: string,
  { epoch, from }: { epoch: number; from?: string },
): Promise<RandomRow | undefined> {
  if ((await pull(context, row, target)) !== undefined) return undefined;
  const reference = await firstState(context, row);
  const made = await askVersion(context, target, { chunk: row.chunk, version: 0 });
  if (!reference || made?.digest !== reference.digest) return undefined;
  return inTransaction(context.db, async (tx) => {
    await tx.execute(sql`select id from pangu.inodes where id = ${row.file} for share`);
    await tx.execute(sql`select id from pangu.chunks where id = ${row.chunk} for update`);
    const now = await findRandomChunk(tx, row.chunk);
    const ours = await rows(tx, sql`select 1 from pangu.copies where chunk = ${row.chunk} and node = ${target} for update`);
    if (!now || now.version !== row.version || now.epoch !== epoch || now.open !== row.open || ours.length === 0) return undefined;
    if (from !== undefined && !now.nodes.includes(from)) return undefined;
    await tx.execute(sql`delete from pangu.copies where chunk = ${row.chunk}`);
    await tx.execute(sql`update pangu.chunks set version = version + 1 where id = ${row.chunk}`);
    await tx.execute(sql`insert into pangu.replicas (chunk, node) values (${row.chunk}, ${target})`);
    if (from !== undefined) await discardReplicas(tx, [{ chunk: row.chunk, node: from }]);
    const cause = from === undefined ? '' : `moved from ${from}`;
    await noteInLedger(tx, [
      { kind: from === undefined ? 'replicaMade' : 'replicaMoved', chunk: row.chunk, node: target, bytes: row.length, cause },
    ]);
    return findRandomChunk(tx, row.chunk);
  });
}

/** Of a chunk of a closed file, both steps at once. */
export async function copyRandomReplica(
  context: MasterContext,
  chunk: string,
  options: { from?: string; to?: string } = {},
): Promise<CopyOutcome> {
  const row = await findRandomChunk(context.db, chunk);
  if (!row) return { outcome: 'gone' };
  // Its writer sees to it that there are enough; what is to leave waits for it.
  if (row.open) return { outcome: 'open' };
  const { from } = options;
  if (from !== undefined && row.nodes.includes(from)) {
    const staying = (await counted(context, row)).filter((node) => node !== from && context.chunkServers.get(node)?.draining === false);
    if (staying.length >= row.wanted) {
      const survivors = row.nodes.filter((node) => node !== from);
      const why = { kind: 'replicaLeft', cause: `${staying.length} others are there` } as const;
      await keepReplicas(context, { chunk, version: row.version, survivors, epoch: row.epoch, leastReplicas: 1, why });
      return { outcome: 'done' };
    }
  }
  const begun = await beginRandomCopy(context, row, options);
  if (begun.outcome !== 'begun') return begun;
  const made = await countRandomCopy(context, row, begun.node, { epoch: row.epoch, from });
  if (!made) return { outcome: 'failed', reason: `chunk ${chunk} was written while it was copied` };
  return { outcome: 'done', node: begun.node, bytes: row.chunkBytes };
}

async function reserve(
  { chunkServers, random, db }: MasterContext,
  row: RandomRow,
  from: string | undefined,
  to: string | undefined,
): Promise<string | CopyOutcome> {
  const taken = await rows<{ node: string }>(
    db,
    sql`select node from pangu.garbage where chunk = ${row.chunk} union select node from pangu.copies where chunk = ${row.chunk}`,
  );
  const exclude = [...row.nodes, ...taken.map(({ node }) => node)];
  const beside = row.nodes.filter((node) => node !== from).map((node) => chunkServers.get(node) ?? { rack: `of ${node}` });
  const candidates = chunkServers.list().filter(({ id }) => to === undefined || id === to);
  const placement = placeReplicas(candidates, { replicas: 1, chunkBytes: row.chunkBytes, exclude, beside }, random);
  if (placement.kind !== 'placed') return { outcome: 'noTarget', reason: `no server may take chunk ${row.chunk}` };
  const [node] = placement.nodes;
  const reserved = await rows(
    db,
    sql`
      insert into pangu.copies (chunk, node, until) values (${row.chunk}, ${node}, now() + make_interval(secs => ${COPY_MS / 1000}))
      on conflict do nothing returning node`,
  );
  return reserved.length > 0 ? node! : { outcome: 'failed', reason: `chunk ${row.chunk} is being copied already` };
}

/** @returns why it could not, if so. */
async function pull(context: MasterContext, { chunk, version, nodes, chunkBytes }: RandomRow, target: string): Promise<string | undefined> {
  const { chunkServers, chunkServerAt, log } = context;
  let reason = `no replica of chunk ${chunk} is on a server that is there`;
  for (const node of nodes) {
    const [server, source] = [chunkServers.get(target), chunkServers.get(node)];
    if (!server || !source) continue;
    try {
      const from = { node, address: source.address };
      await chunkServerAt(server.address).randomPull(
        { node: target, chunk, version, capacityBytes: chunkBytes, from },
        { timeoutMs: PULL_TIMEOUT_MS },
      );
      return undefined;
    } catch (error) {
      reason = messageOf(error);
      log.warn({ chunk, from: node, to: target, error: reason }, 'random.copy.failed');
    }
  }
  return reason;
}

async function firstState(context: MasterContext, row: RandomRow) {
  for (const node of row.nodes) {
    const state = await askVersion(context, node, row);
    if (state) return state;
  }
  return undefined;
}

/** The file of a copy that nobody wants is garbage, unless it is a replica after all. */
async function giveUp(tx: Queryable, chunk: string, node: string): Promise<void> {
  await tx.execute(sql`
    with gone as (delete from pangu.copies where chunk = ${chunk} and node = ${node} returning chunk, node)
    insert into pangu.garbage (chunk, node)
    select chunk, node from gone where not exists (select 1 from pangu.replicas r where r.chunk = gone.chunk and r.node = gone.node)
    on conflict do nothing`);
}
