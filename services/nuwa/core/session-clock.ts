import { Deadlines } from './deadlines.ts';
import type { TreeState } from './tree/state.ts';

/**
 * When each session was last heard of. Only in memory, of the server that leads: whoever begins to lead gives every session its whole TTL
 * again, which can only lengthen its life. A session whose closing is on its way is not kept alive any more, or a client would hear that
 * it lives and find its nodes gone.
 *
 * Deadlines are on a time of the clock's own, which goes from one look to the next by `everyMs` at most: while this process stood still it
 * could not have heard from anybody, so for the sessions that time did not pass.
 *
 * A look costs by the sessions that are due or were not heard of for a TTL, not by all there are, as long as the clock is told of each
 * session that opens (`touch`) and ends (`closed`). One that it was not told of is found by their number, at the price of a scan.
 */
export class SessionClock {
  readonly #entries = new Map<string, { deadlineMs: number; closing: boolean }>();
  readonly #deadlines = new Deadlines<string>(BUCKET_MS);
  /** The clock's own time at the last look, and when that was. */
  #ownMs = 0;
  #lookedAtMs: number | undefined;
  #everyMs = Number.POSITIVE_INFINITY;

  /** The session was heard of, or has just been opened. @returns false when it is unknown, expired, or about to be. */
  touch(state: TreeState, id: string, nowMs: number): boolean {
    const session = state.sessions.get(id);
    if (!session) return false;
    this.#lookedAtMs ??= nowMs;
    const deadlineMs = this.#ownTime(nowMs) + session.ttlMs;
    const entry = this.#entries.get(id);
    if (entry) {
      if (!entry.closing) entry.deadlineMs = deadlineMs;
      return !entry.closing;
    }
    this.#entries.set(id, { deadlineMs, closing: false });
    this.#deadlines.file(id, deadlineMs);
    return true;
  }

  /** Sessions whose time is up; they count as closing from now on. `everyMs`: how often this is called. */
  due(state: TreeState, nowMs: number, everyMs: number): string[] {
    this.#everyMs = everyMs;
    this.#lookedAtMs ??= nowMs;
    this.#ownMs = this.#ownTime(nowMs);
    this.#lookedAtMs = nowMs;
    if (this.#entries.size !== state.sessions.size) this.#reconcile(state);
    const due: string[] = [];
    for (const id of this.#deadlines.due(this.#ownMs, (id) => this.#entries.get(id)!.deadlineMs)) {
      this.#deadlines.drop(id);
      if (!state.sessions.has(id)) {
        this.#entries.delete(id);
        continue;
      }
      this.#entries.get(id)!.closing = true;
      due.push(id);
    }
    return due;
  }

  /** The session has ended; or its closing, which was on its way, has failed: then it has its whole TTL again. */
  closed(id: string): void {
    this.#entries.delete(id);
    this.#deadlines.drop(id);
  }

  #ownTime(nowMs: number): number {
    return this.#ownMs + Math.min(Math.max(0, nowMs - this.#lookedAtMs!), this.#everyMs);
  }

  #reconcile(state: TreeState): void {
    for (const id of this.#entries.keys()) {
      if (state.sessions.has(id)) continue;
      this.#entries.delete(id);
      this.#deadlines.drop(id);
    }
    if (this.#entries.size === state.sessions.size) return;
    let found = 0;
    for (const { id, ttlMs } of state.sessions.values()) {
      if (this.#entries.has(id)) continue;
      this.#entries.set(id, { deadlineMs: this.#ownMs + ttlMs, closing: false });
      // All begin at once, at the beginning of a term; filed over the second half of their time, they are not all looked at at once.
      this.#deadlines.file(id, this.#ownMs + (ttlMs * (SPREAD + (found++ % SPREAD))) / (2 * SPREAD));
    }
  }
}

/** As often as a leader looks: less would file a session that is kept alive more often than needed. */
const BUCKET_MS = 100;
const SPREAD = 64;
