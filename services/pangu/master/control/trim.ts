import { sql } from 'drizzle-orm';
import { inTransaction, rows } from '../../../base/database.ts';
import { chooseSurplus } from '../../core/surplus.ts';
import { discardReplicas } from '../chunks.ts';
import { findRandomChunk, keepReplicas, type RandomRow } from '../random-replicas.ts';
import type { ControlContext } from './context.ts';
import { assertControl } from './fence.ts';

/** Takes off the list what is too many of a chunk, as it is by now. @returns how many went. */
export async function trimChunk(control: ControlContext, chunk: string): Promise<number> {
  const { db, chunkServers, holder, log } = control;
  const random = await findRandomChunk(db, chunk);
  if (random) return trimRandomChunk(control, random);
  const gone = await inTransaction(db, async (tx) => {
    await assertControl(tx, holder);
    const [found] = await rows<{ wanted: number }>(
      tx,
      sql`
        select i.replicas as wanted from pangu.chunks c join pangu.inodes i on i.id = c.file
        where c.id = ${chunk} and c.state = 'sealed' and i.deleted_at is null for update of c`,
    );
    if (!found) return [];
    const held = await rows<{ node: string }>(tx, sql`select node from pangu.replicas where chunk = ${chunk}`);
    const surplus = chooseSurplus(
      held.flatMap(({ node }) => chunkServers.get(node) ?? []),
      found.wanted,
    );
    await discardReplicas(
      tx,
      surplus.map((node) => ({ chunk, node })),
      { kind: 'replicaOver', cause: `${found.wanted} are wanted` },
    );
    return surplus;
  });
  if (gone.length > 0) log.debug({ chunk, nodes: gone }, 'chunk.trimmed');
  return gone.length;
}

/** Those that go are of an old version from then on. One that a writer has opened since is its writer's. */
async function trimRandomChunk(control: ControlContext, { chunk, version, nodes, epoch, open, wanted }: RandomRow): Promise<number> {
  const surplus = chooseSurplus(
    nodes.flatMap((node) => control.chunkServers.get(node) ?? []),
    wanted,
  );
  if (open || surplus.length === 0) return 0;
  const survivors = nodes.filter((node) => !surplus.includes(node));
  await keepReplicas(control, {
    chunk,
    version,
    survivors,
    epoch,
    leastReplicas: 1,
    why: { kind: 'replicaOver', cause: `${wanted} are wanted` },
  });
  return surplus.length;
}
