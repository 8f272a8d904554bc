import { z } from 'zod';
import { FeitianError } from '../../../services/base/errors.ts';
import { defineService, type StreamContext, streamMethod } from '../../../services/kuafu/contract.ts';
import { implement } from '../../../services/kuafu/server.ts';

/** A service with a method for each thing a stream can do, and a record of what reached it. */
export class StreamerError extends FeitianError<'Enough'> {
  static readonly codes = ['Enough'] as const;
}

const counted = z.object({ i: z.number().int() });

export const streamerService = defineService('streamer', {
  errors: StreamerError,
  methods: {
    /** The caller sends, the handler adds up. */
    sum: streamMethod({
      request: z.object({}),
      response: z.object({ sum: z.number(), messages: z.number(), bytes: z.number() }),
      up: counted,
      access: 'open',
    }),
    /** The handler sends. `awaited`: it waits for credit after each. */
    count: streamMethod({
      request: z.object({ to: z.number().int(), bytes: z.number().int().default(0), awaited: z.boolean().default(true) }),
      response: z.object({ sent: z.number() }),
      down: counted,
      access: 'open',
    }),
    /** Sends back what it gets. */
    mirror: streamMethod({
      request: z.void(),
      response: z.object({ messages: z.number() }),
      up: z.unknown(),
      down: z.unknown(),
      access: 'open',
    }),
    /** Takes some messages, then waits until it is released; then reads on, or leaves. */
    stall: streamMethod({
      request: z.object({ name: z.string(), take: z.number().int(), afterwards: z.enum(['read', 'leave']).default('read') }),
      response: z.object({ messages: z.number() }),
      up: z.unknown(),
      access: 'open',
    }),
    /** Sends `after` messages, then fails. */
    fail: streamMethod({
      request: z.object({ after: z.number().int(), how: z.enum(['typed', 'bug']) }),
      response: z.void(),
      up: z.unknown(),
      down: counted,
      access: 'open',
    }),
    /** Reads nothing, sends nothing, looks at nothing, until released. */
    deaf: streamMethod({ request: z.object({ name: z.string() }), response: z.void(), up: counted, down: counted, access: 'open' }),
    /** Sends what does not fit its own contract. */
    wrong: streamMethod({ request: z.void(), response: z.void(), down: counted, access: 'open' }),
  },
});

export class StreamerHandlers {
  /** Handlers that wait, by name. */
  readonly waiting = new Map<string, { context: StreamContext<never, never>; release: () => void }>();
  /** How handlers ended: the name of the method, and what it threw if it did. */
  readonly ended: { method: string; error?: unknown }[] = [];
  opened = 0;
  /** Bytes of attachments that handlers sent. */
  sentBytes = 0;
  #listeners: (() => void)[] = [];

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#listeners.push(resolve));
  }

  untilWaiting(name: string): Promise<void> {
    return this.until(() => this.waiting.has(name));
  }

  untilEnded(count: number): Promise<void> {
    return this.until(() => this.ended.length >= count);
  }

  implementation() {
    const wait = (name: string, context: object): Promise<void> =>
      new Promise((release) => {
        this.waiting.set(name, { context: context as never, release });
        this.#notify();
      });
    return implement(streamerService, {
      sum: this.#watched('sum', async (_request, { incoming }) => {
        let sum = 0;
        let messages = 0;
        let bytes = 0;
        for await (const { body, attachment } of incoming) {
          sum += body.i;
          messages++;
          bytes += attachment.length;
        }
        return { sum, messages, bytes };
      }),
      count: this.#watched('count', async ({ to, bytes, awaited }, context) => {
        const attachment = Buffer.alloc(bytes, 7);
        for (let i = 0; i < to; i++) {
          const sent = context.send({ i }, bytes > 0 ? attachment : undefined);
          if (awaited) await sent;
          this.sentBytes += bytes;
        }
        return { sent: to };
      }),
      mirror: this.#watched('mirror', async (_request, context) => {
        let messages = 0;
        for await (const { body, attachment } of context.incoming) {
          await context.send(body, attachment);
          messages++;
        }
        return { messages };
      }),
      stall: this.#watched('stall', async ({ name, take, afterwards }, context) => {
        let messages = 0;
        if (take > 0) for await (const _ of once(context.incoming, take)) messages++;
        await wait(name, context);
        if (afterwards === 'leave') {
          for await (const _ of context.incoming) break;
          return { messages };
        }
        for await (const _ of context.incoming) messages++;
        return { messages };
      }),
      fail: this.#watched('fail', async ({ after, how }, context) => {
        for (let i = 0; i < after; i++) await context.send({ i });
        if (how === 'typed') throw new StreamerError('Enough', 'of this', { details: { after } });
        throw new TypeError('x is not a function');
      }),
      deaf: this.#watched('deaf', async ({ name }, context) => wait(name, context)),
      wrong: this.#watched('wrong', async (_request, context) => {
        await context.send({ i: 'one' } as never);
      }),
    });
  }

  #watched<Request, Context, Reply>(method: string, handle: (request: Request, context: Context) => Promise<Reply>) {
    return async (request: Request, context: Context): Promise<Reply> => {
      this.opened++;
      this.#notify();
      try {
        const reply = await handle(request, context);
        this.ended.push({ method });
        return reply;
      } catch (error) {
        this.ended.push({ method, error });
        throw error;
      } finally {
        this.#notify();
      }
    };
  }

  #notify(): void {
    for (const listener of this.#listeners.splice(0)) listener();
  }
}

/** The first `count` messages, without leaving the iteration after them. */
async function* once<T>(messages: AsyncIterable<T>, count: number): AsyncGenerator<T> {
  const iterator = messages[Symbol.asyncIterator]();
  for (let i = 0; i < count; i++) {
    const { done, value } = await iterator.next();
    if (done) return;
    yield value;
  }
}
