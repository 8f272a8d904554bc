import type { z } from 'zod';
import { messageOf } from '../../base/errors.ts';
import { decodeBody } from '../codec.ts';
import { KuafuError, type StreamMessage } from '../contract.ts';
import { costOf, MESSAGE_BYTES_MAX, ReadWindow, type Unread } from '../core/credit.ts';
import type { Frame } from '../core/frame.ts';
import { MessageOrder } from '../core/message-order.ts';
import type { CallMeter } from '../meter.ts';
import { parseWith } from '../schema.ts';

/** What was wrong with a frame: a text is a violation, which ends the connection; an error ends the stream alone. */
export type Fault = string | KuafuError | undefined;

/** Places of messages that were taken, before the others are moved up. */
const TAKEN_MAX = 1_024;

interface Waiting<T> {
  resolve(result: IteratorResult<StreamMessage<T>, undefined>): void;
  reject(error: unknown): void;
}

interface Arrived {
  body: Buffer;
  attachment: Buffer;
  costBytes: number;
}

/**
 * The messages that one side of a stream gets, as an iteration. They wait here as they came, and are decoded when they are taken: decoded they may be many
 * times as large, and the credit that was given for them is counted in bytes of the wire.
 *
 *   open --end--> ended       what has come is still read, then the iteration is over
 *        --fail--> failed     likewise, or at once; then it throws
 *        --leave--> left      the reader went away: what comes is dropped
 */
export class Incoming<T> implements AsyncIterableIterator<StreamMessage<T>, undefined> {
  readonly #what: string;
  readonly #schema: z.ZodType;
  readonly #unread: Unread;
  readonly #meter: CallMeter;
  readonly #window: ReadWindow;
  readonly #order = new MessageOrder();
  readonly #grant: (totalBytes: number) => void;
  readonly #invalid: (problem: string) => KuafuError;
  readonly #onLeft: () => void;
  #arrived: (Arrived | undefined)[] = [];
  /** Of the first in `#arrived` that was not taken: cheaper than moving all others up each time. */
  #first = 0;
  #waiting: Waiting<T>[] = [];
  #over = false;
  #left = false;
  #failure: unknown;

  constructor(options: {
    /** The call, for messages. */
    what: string;
    schema: z.ZodType;
    unread: Unread;
    meter: CallMeter;
    /** Tells the writer what it may send, in all. */
    grant: (totalBytes: number) => void;
    /** A message does not fit: ends the stream; the reader gets what it returns. */
    invalid: (problem: string) => KuafuError;
    /** The reader left the iteration before its end. */
    left: () => void;
  }) {
    this.#what = options.what;
    this.#schema = options.schema;
    this.#unread = options.unread;
    this.#meter = options.meter;
    this.#window = new ReadWindow(options.unread);
    this.#grant = options.grant;
    this.#invalid = options.invalid;
    this.#onLeft = options.left;
  }

  /** Every message came, and the end. */
  get ended(): boolean {
    return this.#order.ended;
  }

  handleData({ number, body, attachment }: Frame): Fault {
    const bytes = body.length + attachment.length;
    if (bytes > MESSAGE_BYTES_MAX) return `a message of ${bytes} bytes, the limit is ${MESSAGE_BYTES_MAX}`;
    if (this.#over) return undefined;
    const place = this.#order.stepData(number);
    if (place === 'again') return undefined;
    if (place === 'late') return 'data after the end of the stream';
    if (place === 'gap') return this.#lost();
    const costBytes = costOf(body.length, attachment.length);
    const problem = this.#window.arrived(costBytes);
    if (problem !== undefined) return problem;
    this.#meter.received(bytes);
    this.#meter.messagesIn++;
    if (this.#left) return undefined;
    if (this.#unread.bytes > 2 * this.#unread.bytesMax) {
      // Not `Overloaded`, which says that the call never ran.
      return new KuafuError('Unavailable', `${this.#what}: ${this.#unread.bytes} bytes of messages are unread here`);
    }
    const waiting = this.#waiting.shift();
    if (waiting) this.#take({ body, attachment, costBytes }, waiting);
    else this.#arrived.push({ body: Buffer.from(body), attachment, costBytes }); // the frame's body is good for this turn only
    return undefined;
  }

  /** No more messages; `number`: of those that there were. */
  handleEnd(number: number): Fault {
    if (this.#over) return undefined;
    const place = this.#order.stepEnd(number);
    if (place === 'late') return `an end after another number of messages than came`;
    if (place === 'gap') return this.#lost();
    if (place === 'next') for (const waiting of this.#waiting.splice(0)) waiting.resolve({ done: true, value: undefined });
    return undefined;
  }

  /** Nothing more will come. `keep`: what has come may still be read. Without an error: the iteration, if it is not over, ends in silence. */
  close(error?: unknown, { keep = false }: { keep?: boolean } = {}): void {
    if (this.#over) return;
    this.#over = true;
    this.#failure = error;
    this.#window.close();
    if (!keep) this.#drop();
    for (const waiting of this.#waiting.splice(0)) {
      if (error === undefined) waiting.resolve({ done: true, value: undefined });
      else waiting.reject(error);
    }
  }

  next(): Promise<IteratorResult<StreamMessage<T>, undefined>> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting<T> = { resolve, reject };
      const arrived = this.#arrived[this.#first];
      if (arrived) {
        this.#arrived[this.#first++] = undefined;
        if (this.#first === this.#arrived.length) this.#drop();
        else if (this.#first === TAKEN_MAX) {
          this.#arrived.splice(0, TAKEN_MAX);
          this.#first = 0;
        }
        this.#take(arrived, waiting);
      } else if (this.#left) resolve({ done: true, value: undefined });
      else if (this.#over && this.#failure !== undefined) {
        // Told once, as by a generator: whoever asks on gets the end.
        this.#left = true;
        reject(this.#failure);
      } else if (this.#over || this.#order.ended) resolve({ done: true, value: undefined });
      else this.#waiting.push(waiting);
    });
  }

  return(): Promise<IteratorResult<StreamMessage<T>, undefined>> {
    if (!this.#left) {
      this.#left = true;
      this.#drop();
      this.#window.close();
      for (const waiting of this.#waiting.splice(0)) waiting.resolve({ done: true, value: undefined });
      if (!this.#over) this.#onLeft();
    }
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #take({ body, attachment, costBytes }: Arrived, waiting: Waiting<T>): void {
    let problem: string | undefined;
    let value: unknown;
    try {
      const parsed = parseWith(this.#schema, decodeBody(body));
      if (parsed.problem) problem = parsed.problem.text;
      else value = parsed.value;
    } catch (error) {
      problem = messageOf(error);
    }
    if (problem !== undefined) return waiting.reject(this.#invalid(problem));
    const totalBytes = this.#window.taken(costBytes);
    if (totalBytes !== undefined && !this.#order.ended) this.#grant(totalBytes);
    waiting.resolve({ done: false, value: { body: value as T, attachment } });
  }

  #drop(): void {
    this.#arrived = [];
    this.#first = 0;
  }

  #lost(): KuafuError {
    return new KuafuError('Unavailable', `${this.#what}: messages were lost on the way`);
  }
}
