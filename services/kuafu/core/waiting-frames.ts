import { FLAGS, FRAME_KINDS, type FrameKind } from './frame.ts';

/**
 * Frames that wait because the peer is slow to read. Small frames must not stand behind bulk, so bulk (large attachments, low priority) waits here
 * while they pass; of what waits, high goes first and low last. Frames are never cut: one that has begun is finished, so what comes
 * after a frame of 64 MiB waits for all of it. Who wants less waiting sends smaller pieces.
 *
 * Invariants: 1. frames of one call leave in the order they came in, so a frame waits if an earlier one of its call does, in the same
 * lane; 2. lanes are FIFO; 3. `size` and `bytes` are those of all lanes.
 */
export interface Waiting {
  readonly kind: FrameKind;
  readonly flags?: number;
  readonly id: number;
}

interface Entry<F> {
  frame: F;
  bytes: number;
}

/** Frames whose place among those of their call says something: the others are not held up by them, nor is what is no call's (the id of `identify` is none). */
const ORDERED: ReadonlySet<FrameKind> = new Set([
  FRAME_KINDS.request,
  FRAME_KINDS.reply,
  FRAME_KINDS.error,
  FRAME_KINDS.data,
  FRAME_KINDS.end,
]);

export function keepsOrder(kind: FrameKind): boolean {
  return ORDERED.has(kind);
}

export class WaitingFrames<F extends Waiting> {
  /** High, normal, low. */
  readonly #lanes: [Entry<F>[], Entry<F>[], Entry<F>[]] = [[], [], []];
  /** Of each call that has frames here: in which lane, and how many. */
  readonly #calls = new Map<number, { lane: Entry<F>[]; count: number }>();
  size = 0;
  bytes = 0;

  /** Whether this frame has to wait, now that the connection is congested. */
  mustWait(frame: F, large: boolean): boolean {
    if (!keepsOrder(frame.kind)) return false;
    return large || ((frame.flags ?? 0) & FLAGS.low) !== 0 || this.#calls.has(frame.id);
  }

  push(frame: F, bytes: number): void {
    let call = this.#calls.get(frame.id);
    if (!call) {
      call = { lane: this.#laneOf(frame.flags ?? 0), count: 0 };
      this.#calls.set(frame.id, call);
    }
    call.count++;
    call.lane.push({ frame, bytes });
    this.size++;
    this.bytes += bytes;
  }

  /** The next to go. */
  shift(): F | undefined {
    for (const lane of this.#lanes) {
      const entry = lane.shift();
      if (!entry) continue;
      this.#left(entry);
      return entry.frame;
    }
    return undefined;
  }

  /** Takes out all frames of a call. True: its request or its reply was among them. */
  withdraw(id: number): boolean {
    const call = this.#calls.get(id);
    if (!call) return false;
    let whole = false;
    for (let at = call.lane.length - 1; at >= 0; at--) {
      const entry = call.lane[at]!;
      if (entry.frame.id !== id) continue;
      call.lane.splice(at, 1);
      this.#left(entry);
      whole ||= entry.frame.kind === FRAME_KINDS.request || entry.frame.kind === FRAME_KINDS.reply;
    }
    return whole;
  }

  clear(): void {
    for (const lane of this.#lanes) lane.length = 0;
    this.#calls.clear();
    this.size = this.bytes = 0;
  }

  #left({ frame, bytes }: Entry<F>): void {
    this.size--;
    this.bytes -= bytes;
    const call = this.#calls.get(frame.id)!;
    if (--call.count === 0) this.#calls.delete(frame.id);
  }

  #laneOf(flags: number): Entry<F>[] {
    if ((flags & FLAGS.high) !== 0) return this.#lanes[0];
    return (flags & FLAGS.low) !== 0 ? this.#lanes[2] : this.#lanes[1];
  }
}
