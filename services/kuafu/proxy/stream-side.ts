import { messageOf } from '../../base/errors.ts';
import type { StreamMessage } from '../contract.ts';
import type { Side, SideEvents } from './side.ts';

/** One end of a stream between two proxies: a caller's call, or a handler's context. */
export interface ByteStream {
  readonly messages: AsyncIterable<StreamMessage<unknown>>;
  /** Resolves when there is credit for more. */
  send(chunk: Buffer): Promise<void>;
  end(): void;
  break(reason: string): void;
}

/** Sends that may wait for credit before the other side does: one on its way keeps a fast stream busy, more would only be kept in memory. */
const WAITING_MAX = 2;

/** A channel's way to another machine: what it writes are the stream's messages, and it takes no more of them than the other side can. */
export class StreamSide implements Side {
  readonly #stream: ByteStream;
  #sending = 0;
  #over = false;

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  start(events: SideEvents): void {
    this.#read(events).catch((error) => {
      if (this.#over) return;
      this.#over = true;
      events.broken(messageOf(error));
    });
  }

  write(chunk: Buffer): Promise<void> | undefined {
    if (this.#over) return undefined;
    this.#sending++;
    const settled = (): void => {
      this.#sending--;
    };
    // What ends the stream is told by its messages.
    const sent = this.#stream.send(chunk).then(settled, settled);
    return this.#sending < WAITING_MAX ? undefined : sent;
  }

  end(): void {
    this.#stream.end();
  }

  break(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#stream.break(reason);
  }

  async #read(events: SideEvents): Promise<void> {
    for await (const { attachment } of this.#stream.messages) {
      if (this.#over) return;
      const room = events.bytes(attachment);
      if (room) await room;
    }
    if (!this.#over) events.ended();
  }
}
