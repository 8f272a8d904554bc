import { messageOf } from '../../base/errors.ts';
import { decodeBody } from '../codec.ts';
import { type Attachment, KuafuError, type StreamCall, type StreamMessage, type StreamMethod } from '../contract.ts';
import type { Unread } from '../core/credit.ts';
import { FLAGS, FRAME_KINDS, type Frame } from '../core/frame.ts';
import type { CallMeter } from '../meter.ts';
import { creditFrame } from '../streams/credit-frame.ts';
import { type Fault, Incoming } from '../streams/incoming.ts';
import { Outgoing } from '../streams/outgoing.ts';
import { CallTry } from './call.ts';
import type { ClientConnection } from './connection.ts';

/**
 * A stream as its caller holds it. The call itself, its opening with retries, its deadline and what it ends with are those of a unary call (client.ts);
 * here is what happens between its request and its reply.
 */
export class ClientStream implements StreamCall<unknown, unknown, unknown> {
  readonly reply: Promise<unknown>;
  readonly outgoing: Outgoing;
  readonly incoming: Incoming<unknown>;
  readonly #what: string;
  readonly #canceller = new AbortController();
  readonly #callerSignal: AbortSignal | undefined;
  #try: StreamTry | undefined;
  #over = false;

  constructor(options: {
    what: string;
    method: StreamMethod;
    meter: CallMeter;
    unread: Unread;
    nowMs: () => number;
    signal: AbortSignal | undefined;
    /** Makes the call, until its reply. */
    call: (stream: ClientStream) => Promise<unknown>;
  }) {
    const { what, method, meter, unread, nowMs, signal } = options;
    this.#what = what;
    this.outgoing = new Outgoing({ what, meter, nowMs, mayReopen: true });
    this.incoming = new Incoming({
      what,
      schema: method.down,
      unread,
      meter,
      grant: (totalBytes) => this.#try?.grant(totalBytes),
      invalid: (problem) => this.#giveUp(new KuafuError('Internal', `a message of ${what} does not fit: ${problem}`)),
      left: () => this.cancel(new Error('the caller left the iteration')),
    });
    this.#callerSignal = signal;
    signal?.addEventListener('abort', this.#onCallerAbort);
    if (signal?.aborted) this.#onCallerAbort();
    this.reply = options.call(this);
    this.reply.then(
      () => this.#ended(new KuafuError('Cancelled', `${what}: the handler has replied and takes no more messages`)),
      (error) => this.#ended(error),
    );
  }

  get signal(): AbortSignal {
    return this.#canceller.signal;
  }

  send(body: unknown, attachment?: Attachment): Promise<void> {
    return this.outgoing.send(body, attachment);
  }

  end(): void {
    this.outgoing.end();
  }

  cancel(reason: unknown = new Error('the caller cancelled')): void {
    if (this.#over || this.signal.aborted) return;
    this.#canceller.abort(reason);
    // At once, whatever the call waits for.
    const error = new KuafuError('Cancelled', `${this.#what} was cancelled`, { cause: reason });
    this.outgoing.fail(error);
    this.incoming.close(error);
  }

  [Symbol.asyncIterator](): AsyncIterator<StreamMessage<unknown>, undefined> {
    return this.incoming;
  }

  /** The call was sent over this connection. */
  opened(opening: StreamTry, connection: ClientConnection, flags: number): void {
    this.#try = opening;
    // What comes back is asked for once, by the request.
    this.outgoing.open(connection, opening.id, connection.windowBytes, flags & ~FLAGS.compressReply);
  }

  readonly #onCallerAbort = (): void => this.cancel(this.#callerSignal!.reason);

  #giveUp(error: KuafuError): KuafuError {
    this.#try?.giveUp(error);
    this.incoming.close(error);
    return error;
  }

  #ended(error: unknown): void {
    this.#over = true;
    this.#try = undefined;
    this.#callerSignal?.removeEventListener('abort', this.#onCallerAbort);
    this.outgoing.fail(error);
    // What came before the call ended is still read, unless it was the caller who ended it.
    const own = error instanceof KuafuError && error.code === 'DeadlineExceeded';
    this.incoming.close(this.incoming.ended ? undefined : error, { keep: !own });
  }
}

/** One opening of a stream over one connection, and all that follows. */
export class StreamTry extends CallTry {
  readonly #stream: ClientStream;
  readonly #connection: ClientConnection;

  constructor(stream: ClientStream, options: ConstructorParameters<typeof CallTry>[0]) {
    super(options);
    this.#stream = stream;
    this.#connection = options.connection;
    stream.opened(this, options.connection, options.flags);
  }

  streamed(frame: Frame): string | undefined {
    const { outgoing, incoming } = this.#stream;
    outgoing.heard();
    if (frame.kind === FRAME_KINDS.data) return this.#settleFault(incoming.handleData(frame));
    try {
      return outgoing.granted(decodeBody(frame.body));
    } catch (error) {
      return `credit that is no MessagePack: ${messageOf(error)}`;
    }
  }

  grant(totalBytes: number): void {
    this.#connection.send(creditFrame(this.id, totalBytes));
  }

  override replied(frame: Frame): void {
    const fault = this.#stream.incoming.handleEnd(frame.number);
    if (fault === undefined) return super.replied(frame);
    this.giveUp(typeof fault === 'string' ? new KuafuError('Unavailable', fault) : fault);
  }

  override failed(frame: Frame): void {
    this.#stream.outgoing.detach();
    super.failed(frame);
  }

  #settleFault(fault: Fault): string | undefined {
    if (fault instanceof KuafuError) this.giveUp(fault);
    return typeof fault === 'string' ? fault : undefined;
  }
}
