import { randomBytes } from 'node:crypto';
import { lt } from 'drizzle-orm';
import type { Clock } from '../../base/clock.ts';
import type { Database } from '../../base/database.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { TICKET_KEY_MS, TICKET_MS, ticketKeyId } from '../core/ticket.ts';
import { ticketKeys } from '../tables.ts';
import type { TicketKey, Tickets } from '../tickets.ts';

/** How often a master looks whether the key of the day has come; the one before is good for making tickets until then. */
const LOOK_MS = 60_000;

/** The keys in the table, with today's, which is made if no other master has. Those whose tickets have all expired go. */
export async function loadTicketKeys(db: Database, nowMs: number): Promise<{ keys: TicketKey[]; current: string }> {
  const current = ticketKeyId(nowMs);
  await db
    .insert(ticketKeys)
    .values({ id: current, secret: randomBytes(32), createdAt: new Date(nowMs) })
    .onConflictDoNothing();
  await db.delete(ticketKeys).where(lt(ticketKeys.createdAt, new Date(nowMs - 2 * TICKET_KEY_MS - TICKET_MS)));
  const found = await db.select().from(ticketKeys);
  return { keys: found.map(({ id, secret }) => ({ id, secret })), current };
}

/** Keeps a master's keys current. */
export async function followTicketKeys(options: { db: Database; tickets: Tickets; clock: Clock; log: Logger }): Promise<{ stop(): void }> {
  const { db, tickets, clock, log } = options;
  const stopping = new AbortController();
  const look = async (): Promise<void> => {
    if (tickets.current === ticketKeyId(clock.nowMs())) return;
    const { keys, current } = await loadTicketKeys(db, clock.nowMs());
    tickets.setKeys(keys, current);
  };
  await look();
  void (async () => {
    while (!stopping.signal.aborted) {
      await clock.sleep(LOOK_MS, stopping.signal).catch(() => {});
      if (stopping.signal.aborted) return;
      await look().catch((error) => log.warn({ error: messageOf(error) }, 'ticket_keys.not_read'));
    }
  })();
  return { stop: () => stopping.abort() };
}
