import { messageOf } from '../../base/errors.ts';
import { encodeBody } from '../codec.ts';
import { type Attachment, KuafuError } from '../contract.ts';
import { costOf, MESSAGE_BYTES_MAX, SendCredit } from '../core/credit.ts';
import { FRAME_KINDS } from '../core/frame.ts';
import { NUMBERS } from '../core/message-order.ts';
import type { CallMeter } from '../meter.ts';
import type { OutgoingFrame } from '../transport.ts';
import { byteLength } from '../transports/outbox.ts';
import type { SendRoom, Waiter } from './send-room.ts';

/** What un-awaited sends may queue: two of the largest messages. Who awaits each send queues nothing. */
export const QUEUED_BYTES_MAX = 2 * MESSAGE_BYTES_MAX;
const NOTHING = Buffer.alloc(0);
const DONE = Promise.resolve();

/** Where the frames of a stream go once its call is open. */
export interface Wire {
  send(frame: OutgoingFrame): void;
  /** Of the connection: beside credit there must be room. */
  readonly room: SendRoom;
}

interface Message {
  body: Buffer;
  attachment: Attachment | undefined;
  costBytes: number;
}

/** A send under way: its message while that is not sent; then it waits for credit and room for the next. */
interface Sending {
  message: Message | undefined;
  sinceMs: number;
  resolve: (() => void) | undefined;
  reject: ((error: unknown) => void) | undefined;
}

/**
 * The messages that one side of a stream sends.
 *
 *   unopened --open--> open --end--> ending --last message is sent--> ended
 *
 * Failed from anywhere, for good. A call whose opening was refused may be opened again: until the peer shows that it took the call (`heard`),
 * what was sent is kept to be sent once more. That is no more than the first window.
 */
export class Outgoing implements Waiter {
  readonly #what: string;
  readonly #meter: CallMeter;
  readonly #nowMs: () => number;
  #wire: Wire | undefined;
  #id = 0;
  #flags = 0;
  #credit = new SendCredit(0);
  #count = 0;
  #queue: Sending[] = [];
  #queuedBytes = 0;
  #ending: 'no' | 'wanted' | 'ended' = 'no';
  #failure: unknown;
  #unheard: Message[] | undefined;
  #onFlushed: (() => void) | undefined;

  /** `what`: the call, for messages. `mayReopen`: keep what is sent until `heard`. */
  constructor(options: { what: string; meter: CallMeter; nowMs: () => number; mayReopen: boolean }) {
    this.#what = options.what;
    this.#meter = options.meter;
    this.#nowMs = options.nowMs;
    if (options.mayReopen) this.#unheard = [];
  }

  /** Messages sent, as the end of the stream says it. */
  get number(): number {
    return this.#count % NUMBERS;
  }

  open(wire: Wire, id: number, windowBytes: number, flags = 0): void {
    if (this.#failure !== undefined) return;
    this.#wire = wire;
    this.#id = id;
    this.#flags = flags;
    this.#credit = new SendCredit(windowBytes);
    this.#count = 0;
    if (this.#ending === 'ended') this.#ending = 'wanted';
    if (this.#unheard && this.#unheard.length > 0) {
      const again = this.#unheard.map((message) => ({ message, sinceMs: 0, resolve: undefined, reject: undefined }));
      for (const { costBytes } of this.#unheard) this.#queuedBytes += costBytes;
      this.#queue = [...again, ...this.#queue];
      this.#unheard = [];
    }
    this.#flush();
  }

  /** The call is closed; it may be opened again. */
  detach(): void {
    this.#wire?.room.leave(this);
    this.#wire = undefined;
  }

  /** The peer has taken the call. */
  heard(): void {
    this.#unheard = undefined;
  }

  get mayReopen(): boolean {
    return this.#unheard !== undefined;
  }

  /** Resolves when there is credit and room for the next. */
  send(body: unknown, attachment?: Attachment): Promise<void> {
    if (this.#failure !== undefined) return quietly(this.#failure);
    if (this.#ending !== 'no') return Promise.reject(new KuafuError('InvalidRequest', `${this.#what}: a message after the end`));
    let message: Message;
    try {
      message = this.#messageOf(body, attachment);
    } catch (error) {
      return Promise.reject(error);
    }
    if (this.#queue.length === 0 && this.#mayTransmit()) {
      this.#transmit(message);
      return this.#mayTransmit() ? DONE : this.#wait(undefined);
    }
    if (this.#queuedBytes > 0 && this.#queuedBytes + message.costBytes > QUEUED_BYTES_MAX) {
      const reason = `${this.#what}: ${this.#queuedBytes} bytes of messages wait to be sent; await each send`;
      return Promise.reject(new KuafuError('Overloaded', reason));
    }
    this.#queuedBytes += message.costBytes;
    return this.#wait(message);
  }

  end(): void {
    if (this.#ending !== 'no' || this.#failure !== undefined) return;
    this.#ending = 'wanted';
    this.#maybeEnd();
  }

  /** A credit frame came. Returns what is wrong with it, if anything is. */
  granted(totalBytes: unknown): string | undefined {
    const problem = this.#credit.grant(totalBytes);
    if (problem === undefined) this.#flush();
    return problem;
  }

  /** The connection has room again. */
  roomy(): void {
    this.#flush();
  }

  /** Resolves when nothing is left to be sent; rejects with what ended the stream before. */
  async flushed(): Promise<void> {
    if (this.#queuedBytes > 0 && this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        this.#onFlushed = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Nothing is sent any more, and whoever sends or waits hears why. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    const queue = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#unheard = undefined;
    this.#wire?.room.leave(this);
    this.#wire = undefined;
    for (const sending of queue) this.#settle(sending, error);
    this.#onFlushed?.();
  }

  #messageOf(body: unknown, attachment: Attachment | undefined): Message {
    let encoded: Buffer;
    try {
      encoded = encodeBody(body);
    } catch (error) {
      throw new KuafuError('InvalidRequest', `${this.#what}: the message cannot be encoded: ${messageOf(error)}`, { cause: error });
    }
    const attachmentBytes = byteLength(attachment);
    if (encoded.length + attachmentBytes > MESSAGE_BYTES_MAX) {
      const reason = `${this.#what}: a message of ${encoded.length + attachmentBytes} bytes, the limit is ${MESSAGE_BYTES_MAX}`;
      throw new KuafuError('InvalidRequest', reason);
    }
    return { body: encoded, attachment, costBytes: costOf(encoded.length, attachmentBytes) };
  }

  #wait(message: Message | undefined): Promise<void> {
    this.#meter.creditWaiting++;
    const waiting = new Promise<void>((resolve, reject) => {
      this.#queue.push({ message, sinceMs: this.#nowMs(), resolve, reject });
    });
    this.#maybeWaitForRoom();
    waiting.catch(() => {}); // what ended the call is told by the call as well
    return waiting;
  }

  #mayTransmit(): boolean {
    return this.#wire !== undefined && this.#credit.leftBytes > 0 && this.#wire.room.open;
  }

  /** Credit comes by itself, and says so; for room one has to ask. */
  #maybeWaitForRoom(): void {
    if (this.#queue.length > 0 && this.#wire && this.#credit.leftBytes > 0) this.#wire.room.wait(this);
  }

  #transmit(message: Message): void {
    const { body, attachment, costBytes } = message;
    this.#credit.spend(costBytes);
    this.#unheard?.push(message);
    this.#meter.sent(body.length + byteLength(attachment));
    this.#meter.messagesOut++;
    this.#wire!.send({ kind: FRAME_KINDS.data, flags: this.#flags, number: this.number, id: this.#id, body, attachment });
    this.#wire!.room.spend(costBytes);
    this.#count++;
  }

  #flush(): void {
    while (this.#queue.length > 0 && this.#mayTransmit()) {
      const sending = this.#queue[0]!;
      if (sending.message) {
        this.#queuedBytes -= sending.message.costBytes;
        this.#transmit(sending.message);
        sending.message = undefined;
        if (!this.#mayTransmit() && sending.resolve) break;
      }
      this.#queue.shift();
      this.#settle(sending);
    }
    this.#maybeWaitForRoom();
    if (this.#queuedBytes > 0) return;
    this.#onFlushed?.();
    this.#maybeEnd();
  }

  #maybeEnd(): void {
    if (this.#ending !== 'wanted' || !this.#wire || this.#queuedBytes > 0) return;
    this.#ending = 'ended';
    this.#wire.send({ kind: FRAME_KINDS.end, flags: this.#flags, number: this.number, id: this.#id, body: NOTHING });
  }

  #settle({ sinceMs, resolve, reject }: Sending, error?: unknown): void {
    if (!resolve || !reject) return;
    this.#meter.creditWaiting--;
    this.#meter.creditWaits++;
    this.#meter.creditWaitedMs += this.#nowMs() - sinceMs;
    if (error === undefined) resolve();
    else reject(error);
  }
}

function quietly(error: unknown): Promise<never> {
  const rejected = Promise.reject(error);
  rejected.catch(() => {});
  return rejected;
}
