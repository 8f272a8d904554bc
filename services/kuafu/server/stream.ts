import { messageOf } from '../../base/errors.ts';
import { decodeBody } from '../codec.ts';
import { type Attachment, KuafuError, type StreamContext, type StreamMethod } from '../contract.ts';
import type { Unread } from '../core/credit.ts';
import { FRAME_KINDS, type Frame } from '../core/frame.ts';
import { replyFlagsOf } from '../core/priority.ts';
import { creditFrame } from '../streams/credit-frame.ts';
import { type Fault, Incoming } from '../streams/incoming.ts';
import { Outgoing, type Wire } from '../streams/outgoing.ts';
import { type CallFacts, ServerCall } from './call.ts';

/** A stream under way at the server; the handler sees it as its context. */
export class ServerStream extends ServerCall implements StreamContext<unknown, unknown> {
  readonly incoming: Incoming<unknown>;
  /** The caller was told that it failed, while its handler has not ended yet. */
  told = false;
  readonly #outgoing: Outgoing;
  readonly #what: string;

  constructor(
    facts: CallFacts,
    options: {
      what: string;
      method: StreamMethod;
      unread: Unread;
      wire: Wire;
      /** What the caller's hello lets a stream send at its beginning. */
      windowBytes: number;
      failed: (error: KuafuError) => void;
    },
  ) {
    super(facts);
    const { id, clock, meter, flags } = facts;
    const { what, method, unread, wire, windowBytes, failed } = options;
    this.#what = what;
    this.#outgoing = new Outgoing({ what, meter, nowMs: () => clock.monotonicMs(), mayReopen: false });
    this.#outgoing.open(wire, id, windowBytes, replyFlagsOf(flags));
    this.incoming = new Incoming({
      what,
      schema: method.up,
      unread,
      meter,
      grant: (totalBytes) => wire.send(creditFrame(id, totalBytes)),
      invalid: (problem) => {
        const error = new KuafuError('InvalidRequest', `${what}: a message does not fit: ${problem}`);
        failed(error);
        return error;
      },
      left: () => {},
    });
    // The deadline must reach a handler that waits for a message or for credit, so its alarm is set from the start: see ServerCall.
    void this.signal;
  }

  /** Of the caller's side: how many messages it must have got before the reply. */
  get messagesSent(): number {
    return this.#outgoing.number;
  }

  send(body: unknown, attachment?: Attachment): Promise<void> {
    return this.#outgoing.send(body, attachment);
  }

  /** The handler's reply, once the messages that it sent without waiting are sent too. */
  async untilFlushed(replying: Promise<unknown>): Promise<unknown> {
    const value = await replying;
    await this.#outgoing.flushed();
    return value;
  }

  streamed(frame: Frame): Fault {
    if (frame.kind === FRAME_KINDS.data) return this.incoming.handleData(frame);
    if (frame.kind === FRAME_KINDS.end) return this.incoming.handleEnd(frame.number);
    try {
      return this.#outgoing.granted(decodeBody(frame.body));
    } catch (error) {
      return `credit that is no MessagePack: ${messageOf(error)}`;
    }
  }

  override abort(reason: KuafuError): void {
    super.abort(reason);
    this.#outgoing.fail(reason);
    this.incoming.close(reason);
  }

  override finish(): void {
    super.finish();
    this.#outgoing.fail(new KuafuError('Cancelled', `${this.#what}: the call is over`));
    this.incoming.close();
  }
}
