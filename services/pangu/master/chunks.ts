import { type SQL, sql } from 'drizzle-orm';
import { type Queryable, rows } from '../../base/database.ts';
import { newId } from '../../base/ids.ts';
import { PanguError } from '../contract.ts';
import type { LedgerKind } from '../core/ledger.ts';
import { type PlacementWish, placeReplicas } from '../core/placement.ts';
import { type Distance, distanceOf } from '../core/replica-order.ts';
import type { Allocation, LocatedChunk, Replica } from '../master-contract.ts';
import type { MasterContext } from './context.ts';
import { noteReplicas } from './ledger.ts';

/** Of a chunk `c`. A subquery, so that the planner looks up each chunk by key, whatever it believes of the tables' sizes. */
export const NODES = sql`(select coalesce(json_agg(r.node), '[]') from pangu.replicas r where r.chunk = c.id)`;

export interface PlacedChunk {
  chunk: string;
  nodes: string[];
}

/** Chooses an id and nodes; writes nothing. Errors: ENOSPC, EIO (no chunk server is there). */
export function placeChunk({ chunkServers, random }: MasterContext, wish: PlacementWish & { minReplicas?: number }): PlacedChunk {
  const { minReplicas = 1 } = wish;
  const placement = placeReplicas(chunkServers.list(), wish, random);
  switch (placement.kind) {
    case 'placed':
      if (placement.nodes.length < minReplicas)
        throw new PanguError(
          'EIO',
          `${placement.nodes.length} chunk servers are there to write to, the file wants ${minReplicas} at least`,
          {
            details: { excluded: wish.exclude ?? [], minReplicas },
          },
        );
      return { chunk: newId('c'), nodes: placement.nodes };
    case 'noSpace':
      throw new PanguError(
        'ENOSPC',
        `no chunk server has ${wish.chunkBytes} bytes free, the length of a chunk of this file; the room of files that were just removed is free within a minute`,
      );
    case 'noServer':
      throw new PanguError('EIO', 'no chunk server is there to write to', { details: { excluded: wish.exclude ?? [] } });
  }
}

export function toReplica({ chunkServers }: MasterContext, node: string): Replica {
  return { node, address: chunkServers.get(node)?.address };
}

/** The chunk that a file's writer was given under this index, if it was. */
export async function findAllocation(context: MasterContext, file: string, index: number): Promise<Allocation | undefined> {
  const [found] = await rows<{ chunk: string; nodes: string[] }>(
    context.db,
    sql`
      select c.id as chunk, ${NODES} as nodes from pangu.chunks c where c.file = ${file} and c.index = ${index}`,
  );
  return found && { chunk: found.chunk, index, replicas: found.nodes.map((node) => toReplica(context, node)) };
}

/** A file's chunks in order, as far as readers may see them; how far they are from the node `near`, if that is one of ours. */
export async function locateChunks(context: MasterContext, file: string, near?: string): Promise<LocatedChunk[]> {
  const [found] = await rows<{ chunks: FoundChunk[] }>(context.db, sql`select ${chunksOf(sql`${file}::text`)} as chunks`);
  return located(context, found!.chunks, near);
}

export interface FoundChunk {
  chunk: string;
  offset: number;
  length: number;
  open: boolean;
  primary: string | null;
  nodes: string[];
}

/** A file's chunks in order, as far as readers may see them: an array of `FoundChunk`s, for a statement that looks for the file itself. */
export function chunksOf(file: SQL): SQL {
  return sql`(
    select coalesce(json_agg(json_build_object(
      'chunk', c.id, 'offset', c."offset", 'length', c.length, 'open', c.state = 'open', 'primary', c.primary_node, 'nodes', ${NODES}
    ) order by c."offset", c.index), '[]')
    from pangu.chunks c where c.file = ${file} and (c.length > 0 or c.primary_node is not null))`;
}

export function located(context: MasterContext, found: readonly FoundChunk[], near: string | undefined): LocatedChunk[] {
  return found.map(({ nodes, open, primary, ...chunk }) => ({
    ...chunk,
    ...(open ? { open } : {}),
    ...(open && primary ? { primary } : {}),
    replicas: nodes.map((node) => ({ ...toReplica(context, node), ...distanceFrom(context, near, node) })),
  }));
}

function distanceFrom({ chunkServers }: MasterContext, near: string | undefined, node: string): { distance?: Distance } {
  const from = near === undefined ? undefined : chunkServers.get(near);
  const to = from && chunkServers.get(node);
  return to ? { distance: distanceOf(from, to) } : {};
}

/** Hands replicas over to the garbage loop. `why`: it is a loss of redundancy, or the end of one, for the ledger to tell. */
export async function discardReplicas(
  tx: Queryable,
  replicas: readonly { chunk: string; node: string }[],
  why?: { kind: LedgerKind; cause: string },
): Promise<void> {
  if (replicas.length === 0) return;
  const gone = await rows<{ chunk: string; node: string }>(
    tx,
    sql`
      with gone as (
        delete from pangu.replicas r using jsonb_to_recordset(${JSON.stringify(replicas)}::jsonb) as l (chunk text, node text)
        where r.chunk = l.chunk and r.node = l.node returning r.chunk, r.node
      ), garbage as (
        insert into pangu.garbage (chunk, node) select chunk, node from gone on conflict do nothing
      )
      select chunk, node from gone`,
  );
  if (why) await noteReplicas(tx, why.kind, gone, why.cause);
}

/** Of chunk `c` of file `i`: nobody writes it, so masters see to its replicas. Those of a random file that is open are its writer's. */
export const SETTLED = sql`(c.state = 'sealed' or (i.kind = 'random' and i.state = 'closed' and c.length > 0))`;

/** Hands whole chunks over to the garbage loop. */
export async function discardChunks(tx: Queryable, chunks: readonly string[]): Promise<void> {
  if (chunks.length === 0) return;
  const ids = sql`(select jsonb_array_elements_text(${JSON.stringify(chunks)}::jsonb))`;
  await tx.execute(sql`
    with gone as (delete from pangu.replicas where chunk in ${ids} returning chunk, node)
    insert into pangu.garbage (chunk, node) select chunk, node from gone on conflict do nothing`);
  await tx.execute(sql`delete from pangu.chunks where id in ${ids}`);
}
