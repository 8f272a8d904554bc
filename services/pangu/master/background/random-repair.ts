import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { rows } from '../../../base/database.ts';
import { messageOf } from '../../../base/errors.ts';
import type { MasterContext } from '../context.ts';
import { copyRandomReplica } from '../random-copy.ts';

/**
 * Gives back to chunks of closed `random` files the replicas they have lost; those of open ones their writer looks after (client/random-file.ts).
 * Every master runs this; the row of `copies` gives each chunk to one of them.
 */
const BATCH = 50;

export interface RandomRepairOptions {
  /** From one look to the next. @default 5_000 */
  intervalMs?: number;
}

export function startRandomRepair(context: MasterContext, { intervalMs = 5_000 }: RandomRepairOptions = {}): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const run = async (): Promise<void> => {
    for (;;) {
      await delay(intervalMs, undefined, { signal: stopping.signal }).catch(() => {});
      if (stopping.signal.aborted) return;
      await mendOnce(context, stopping.signal).catch((error) => context.log.warn({ error: messageOf(error) }, 'random.repair.failed'));
    }
  };
  const running = run();
  return {
    stop: () => {
      stopping.abort();
      return running;
    },
  };
}

async function mendOnce(context: MasterContext, signal: AbortSignal): Promise<void> {
  const possible = context.chunkServers.list().filter(({ draining }) => !draining).length;
  const short = await rows<{ chunk: string }>(
    context.db,
    sql`
      select c.id as chunk from pangu.inodes i join pangu.chunks c on c.file = i.id
      where i.kind = 'random' and i.state = 'closed' and i.deleted_at is null and c.length > 0
        and (select count(*) from pangu.replicas r where r.chunk = c.id) < least(i.replicas, ${possible}::int)
      limit ${BATCH}`,
  );
  for (const { chunk } of short) {
    if (signal.aborted) return;
    const { outcome, node, reason } = await copyRandomReplica(context, chunk);
    if (outcome === 'done') context.log.info({ chunk, node }, 'chunk.mended');
    else if (outcome !== 'gone') context.log.debug({ chunk, outcome, reason }, 'chunk.not-mended');
  }
}
