import type { Clock } from '../../base/clock.ts';
import { hasCode } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Replica } from '../replica.ts';
import type { SessionClock } from '../session-clock.ts';

/** A session lives at most this much longer than its TTL says; shorter costs wake-ups. */
const EVERY_MS = 100;

/** Looks for sessions that were not heard of in their TTL and closes them by a command, as any change is made. */
export async function expireSessions(options: {
  replica: Replica;
  sessions: SessionClock;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
  /** Told of each session that was closed. */
  onExpired?: () => void;
}): Promise<void> {
  const { replica, sessions, clock, log, signal, onExpired } = options;
  const expire = async (session: string): Promise<void> => {
    const { creator, ephemerals } = replica.state.sessions.get(session)!;
    log.info({ session, creator, ephemerals: ephemerals.size }, 'nuwa.session.expiring');
    try {
      await replica.submit({ kind: 'closeSession', session, why: 'expired' });
      onExpired?.();
    } catch (error) {
      if (!hasCode(error, 'Unwritable')) throw error; // unwritable: nobody expires any more
    } finally {
      sessions.closed(session);
    }
  };
  while (!signal.aborted) {
    if (!replica.unwritable) for (const session of sessions.due(replica.state, clock.monotonicMs(), EVERY_MS)) void expire(session);
    await clock.sleep(EVERY_MS, signal).catch(() => {}); // the loop sees that it was aborted
  }
}
