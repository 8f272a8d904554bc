import { SessionClock } from '../session-clock.ts';
import type { Command } from '../tree/command.ts';
import { dueForReaping } from '../tree/reap.ts';
import type { TreeState } from '../tree/state.ts';
import type { Now } from './types.ts';

/**
 * What only the leader does: it notes when sessions were heard of, closes those that were not, and removes nodes whose time is over, all by
 * commands like any other. Made anew at the beginning of each leadership, so that every session has its whole TTL from then on: nobody
 * knows what the leader before had heard.
 */
export class LeaderDuties {
  readonly #clock = new SessionClock();
  #reaping = false;
  heard(state: TreeState, sessions: readonly string[], now: Now): void {
    for (const session of sessions) this.#clock.touch(state, session, now.monotonicMs);
  }

  /** Whether the session is open and stays so; it was heard of. */
  lives(state: TreeState, session: string, now: Now): boolean {
    return this.#clock.touch(state, session, now.monotonicMs);
  }

  /** Told of each command that was applied. */
  applied(state: TreeState, command: Command, now: Now): void {
    if (command.kind === 'openSession') this.#clock.touch(state, command.session, now.monotonicMs);
    else if (command.kind === 'closeSession') this.#clock.closed(command.session);
  }

  dueSessions(state: TreeState, now: Now, everyMs: number): Command[] {
    return this.#clock.due(state, now.monotonicMs, everyMs).map((session) => ({ kind: 'closeSession', session, why: 'expired' }));
  }

  /** None while those of before are under way. */
  dueNodes(state: TreeState, now: Now): Command[] {
    if (this.#reaping) return [];
    const due = dueForReaping(state, now.wallMs);
    this.#reaping = due.length > 0;
    return due;
  }

  /** Commands that were due are over: applied, or never taken, and then due again some time. */
  ended(commands: readonly Command[]): void {
    for (const command of commands) {
      if (command.kind === 'reap') this.#reaping = false;
      else if (command.kind === 'closeSession') this.#clock.closed(command.session);
    }
  }
}
