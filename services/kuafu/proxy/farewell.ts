import { encodeBody } from '../codec.ts';
import { FRAME_KINDS, HEADER_BYTES, writeHeader } from '../core/frame.ts';
import { FrameBoundary } from '../core/frame-boundary.ts';
import type { Side, SideEvents } from './side.ts';

/**
 * The way back to the process that called, with a last word. A proxy that is about to close tells the callers of its channels to go away, as a server would: they
 * finish the calls under way and make new ones over another connection, so that its restart fails no call.
 *
 * The word fits in only between two frames of the server's. Where the bytes are TLS it fits in nowhere, and the channel is cut once the grace is over.
 */
export class Farewell implements Side {
  readonly #way: Side;
  readonly #boundary: FrameBoundary | undefined;
  #begun = false;
  #reason: string | undefined;
  #said = false;

  constructor(way: Side, { encrypted }: { encrypted: boolean }) {
    this.#way = way;
    this.#boundary = encrypted ? undefined : new FrameBoundary();
  }

  leave(reason: string): void {
    if (!this.#boundary || this.#reason !== undefined) return;
    this.#reason = reason;
    if (this.#boundary.reached) this.#say(reason);
  }

  start(events: SideEvents): void {
    this.#way.start(events);
  }

  write(chunk: Buffer): Promise<void> | undefined {
    this.#begun = true;
    if (!this.#boundary) return this.#way.write(chunk);
    const at = this.#boundary.pass(chunk);
    if (this.#reason === undefined || this.#said || at < 0) return this.#way.write(chunk);
    this.#way.write(chunk.subarray(0, at));
    const room = this.#say(this.#reason);
    return at < chunk.length ? this.#way.write(chunk.subarray(at)) : room;
  }

  end(): void {
    this.#way.end();
  }

  break(reason: string): void {
    this.#way.break(reason);
  }

  #say(reason: string): Promise<void> | undefined {
    this.#said = true;
    const room = this.#way.write(goAwayFrame(reason));
    // Before the server's hello it is a refusal, after which nobody waits for more.
    if (!this.#begun) this.#way.end();
    return room;
  }
}

export function goAwayFrame(reason: string): Buffer {
  const body = encodeBody({ reason });
  const frame = Buffer.alloc(HEADER_BYTES + body.length);
  writeHeader(frame, 0, { kind: FRAME_KINDS.goAway, flags: 0, number: 0, id: 0, bodyBytes: body.length, attachmentBytes: 0 });
  body.copy(frame, HEADER_BYTES);
  return frame;
}
