import type { Socket } from 'node:net';
import type { DoorFlow, Waiting } from './flow.ts';
import { Packets } from './packets.ts';
import type { Turns } from './turns.ts';
import type { Reader } from './wire.ts';

/** A request that is begun and larger than this is room taken for before it is whole; a smaller one came with one read from the socket, or two. */
const SMALL_BYTES = 64 * 1024;

/** What comes in over one connection, and how fast it may (flow.ts). */
export class Intake implements Waiting {
  readonly #socket: Socket;
  readonly #flow: DoorFlow;
  readonly #turns: Turns;
  readonly #packets = new Packets();
  /** Room that was taken for a packet that is not whole, and since when its pieces are waited for. */
  #begunBytes = 0;
  #begunAtMs = 0;
  /** What the flow was told that is held here. */
  #countedBytes = 0;
  #ended = false;

  constructor(socket: Socket, flow: DoorFlow, turns: Turns) {
    this.#socket = socket;
    this.#flow = flow;
    this.#turns = turns;
  }

  push(chunk: Buffer, nowMs: number): void {
    if (this.#packets.begun === 0) this.#begunAtMs = nowMs;
    this.#packets.push(chunk);
  }

  get word(): string | undefined {
    return this.#packets.word;
  }

  next(bytesMax: number, nowMs: number): Reader | undefined {
    const packet = this.#packets.next(bytesMax);
    if (packet) {
      this.#begunBytes = 0;
      this.#begunAtMs = nowMs;
    }
    return packet;
  }

  /** Not read from, because of what it asked for or because of what all asked for. */
  get waits(): boolean {
    return this.#socket.isPaused();
  }

  /** Whether a request was begun long ago and its pieces do not come. */
  overdue(nowMs: number): boolean {
    return !this.waits && this.#packets.begun > 0 && nowMs - this.#begunAtMs > this.#flow.bounds.requestMsMax;
  }

  /** Whether requests came that wait to be looked at. */
  get behind(): boolean {
    return this.#packets.untaken;
  }

  /** Whether its requests without an answer are few enough for one more. */
  get mayAsk(): boolean {
    const { requestsMax, heldBytesMax } = this.#flow.bounds;
    return this.#turns.outstanding <= requestsMax && this.#turns.heldBytes <= heldBytesMax;
  }

  /** After requests came: reads no further if it may not. */
  maybeWait(): void {
    if (this.#ended) return;
    this.#count();
    if (this.#mayRead()) return;
    this.#socket.pause();
  }

  /** After requests were answered. */
  answered(): void {
    if (this.#ended) return;
    this.#count();
    if (this.waits) this.maybeReadOn();
  }

  /** After it was worked for. */
  goOnOrWait(): void {
    if (this.waits) this.answered();
    else this.maybeWait();
  }

  maybeReadOn(): boolean {
    if (this.#ended || !this.waits) return true;
    if (!this.#mayRead()) return false;
    this.#begunAtMs = performance.now();
    this.#socket.resume();
    return true;
  }

  end(): void {
    this.#begunBytes = 0;
    this.#ended = true;
    this.#count();
    this.#flow.forget(this);
  }

  /**
   * Takes room for the request that it is in the midst of. What waits for its turn or for answers of its own is asked then; only what waits for others
   * waits with the others, or it would be in their way for as long as its own answers take.
   */
  #mayRead(): boolean {
    if (this.behind || !this.mayAsk) return false;
    if (this.#begunBytes > 0 || this.#takesRoom()) return true;
    this.#flow.wait(this);
    return false;
  }

  #takesRoom(): boolean {
    const { begun } = this.#packets;
    if (begun <= SMALL_BYTES) return !this.#flow.full;
    if (!this.#flow.fits(begun)) return false;
    this.#begunBytes = begun;
    this.#count();
    return true;
  }

  #count(): void {
    const bytes = this.#turns.heldBytes + this.#begunBytes + (this.behind && !this.#ended ? this.#packets.heldBytes : 0);
    const more = bytes - this.#countedBytes;
    this.#countedBytes = bytes;
    if (more !== 0) this.#flow.countHeld(more);
  }
}
