import type { TreeState } from './core/tree/state.ts';

/**
 * When each session was last heard of. Only in memory: after a restart every session has its whole TTL again, which can only
 * lengthen its life. A session whose closing is on its way is not kept alive any more, or a client would hear that it lives
 * and find its nodes gone.
 */
export class SessionClock {
  readonly #deadlines = new Map<string, number>();
  readonly #closing = new Set<string>();
  #lookedAtMs: number | undefined;

  /** @returns false when the session is unknown, expired, or about to be. */
  touch(state: TreeState, id: string, nowMs: number): boolean {
    const session = state.sessions.get(id);
    if (!session || this.#closing.has(id)) return false;
    this.#deadlines.set(id, nowMs + session.ttlMs);
    return true;
  }

  /**
   * Sessions whose time is up; they count as closing from now on. The time from one look to the next beyond `everyMs` is given
   * to all sessions: while this process stood still, it could not have heard from anybody.
   */
  due(state: TreeState, nowMs: number, everyMs: number): string[] {
    const stoodStillMs = this.#lookedAtMs === undefined ? 0 : Math.max(0, nowMs - this.#lookedAtMs - everyMs);
    this.#lookedAtMs = nowMs;
    const due: string[] = [];
    for (const id of this.#deadlines.keys()) if (!state.sessions.has(id)) this.#deadlines.delete(id);
    for (const { id, ttlMs } of state.sessions.values()) {
      const deadlineMs = Math.min((this.#deadlines.get(id) ?? nowMs + ttlMs) + stoodStillMs, nowMs + ttlMs);
      this.#deadlines.set(id, deadlineMs);
      if (deadlineMs <= nowMs && !this.#closing.has(id)) due.push(id);
    }
    for (const id of due) this.#closing.add(id);
    return due;
  }

  /** A closing is over: it was done, or it failed and the session goes on. */
  closed(id: string): void {
    this.#closing.delete(id);
  }
}
