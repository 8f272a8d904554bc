import { z } from 'zod';
import { FeitianError } from '../../../services/base/errors.ts';
import { type Attachment, type CallContext, defineService, KuafuError, method } from '../../../services/kuafu/contract.ts';
import { implement } from '../../../services/kuafu/server.ts';

/** A service with one method for each thing a call can do, and a record of what reached it. */
export class EchoError extends FeitianError<'NotToday' | 'Other'> {
  static readonly codes = ['NotToday', 'Other'] as const;
}

const blob = z.object({ bytes: z.instanceof(Uint8Array) });

export const echoService = defineService('echo', {
  errors: EchoError,
  methods: {
    echo: method({
      request: z.object({ text: z.string().max(100_000), times: z.number().int().default(1) }),
      response: z.object({ text: z.string() }),
    }),
    blob: method({ request: blob, response: blob }),
    nothing: method({ request: z.void(), response: z.void() }),
    /** Returns what it was sent. */
    mirror: method({
      request: z.object({ pieces: z.number().int().min(1) }),
      response: z.object({ length: z.number() }),
      replyAttachment: true,
    }),
    fail: method({ request: z.object({ how: z.enum(['typed', 'kuafu', 'bug', 'foreign', 'details', 'sync']) }), response: z.void() }),
    /** Waits until it is told, by `release` or by its signal. */
    wait: method({ request: z.object({ name: z.string() }), response: z.object({ remainingMs: z.number() }), idempotent: false }),
    waitAgain: method({ request: z.object({ name: z.string() }), response: z.object({ remainingMs: z.number() }), idempotent: true }),
    /** Says who answered. */
    who: method({ request: z.object({}), response: z.object({ who: z.string() }), idempotent: true }),
    whoOnce: method({ request: z.object({}), response: z.object({ who: z.string() }) }),
    /** Breaks its own contract. */
    wrong: method({ request: z.object({}), response: z.object({ number: z.number() }) }),
  },
});

class ForeignError extends FeitianError<'Strange'> {}

export class EchoHandlers {
  readonly who: string;
  /** Calls of `wait` under way, by name. */
  readonly waiting = new Map<string, { context: CallContext; release: () => void }>();
  readonly aborted: { name: string; reason: unknown }[] = [];
  calls = 0;
  #onWaiting: (() => void)[] = [];

  constructor(who = 'echo') {
    this.who = who;
  }

  /** Resolves once `count` calls of `wait` are under way. */
  async untilWaiting(count: number): Promise<void> {
    while (this.waiting.size < count) await new Promise<void>((resolve) => this.#onWaiting.push(resolve));
  }

  async untilAborted(count: number): Promise<void> {
    while (this.aborted.length < count) await new Promise<void>((resolve) => this.#onWaiting.push(resolve));
  }

  implementation() {
    const wait = async ({ name }: { name: string }, context: CallContext): Promise<{ remainingMs: number }> => {
      this.calls++;
      await new Promise<void>((resolve, reject) => {
        this.waiting.set(name, { context, release: resolve });
        context.signal.addEventListener('abort', () => {
          this.aborted.push({ name, reason: context.signal.reason });
          this.#notify();
          reject(context.signal.reason);
        });
        this.#notify();
      });
      return { remainingMs: context.remainingMs() };
    };
    const who = async (): Promise<{ who: string }> => {
      this.calls++;
      return { who: this.who };
    };
    return implement(echoService, {
      echo: async ({ text, times }) => ({ text: text.repeat(times) }),
      blob: async ({ bytes }) => ({ bytes }),
      nothing: async () => {},
      mirror: async ({ pieces }, { attachment }) => {
        const step = Math.max(1, Math.ceil(attachment.length / pieces));
        const parts: Buffer[] = [];
        for (let at = 0; at < attachment.length; at += step) parts.push(attachment.subarray(at, at + step));
        return { body: { length: attachment.length }, attachment: (pieces === 1 ? attachment : parts) satisfies Attachment };
      },
      fail: ({ how }) => {
        switch (how) {
          case 'typed':
            throw new EchoError('NotToday', 'come back tomorrow', { details: { day: 'monday', seats: [1, 2] } });
          case 'kuafu':
            throw new KuafuError('Unavailable', 'behind me nobody answered');
          case 'foreign':
            throw new ForeignError('Strange', 'from another subsystem');
          case 'details':
            throw new EchoError('Other', 'with a function inside', { details: { f: () => 1 } });
          case 'sync':
            throw new TypeError('thrown before the first await');
          case 'bug':
            return Promise.reject(new TypeError('x is not a function'));
        }
      },
      wait,
      waitAgain: wait,
      who,
      whoOnce: who,
      wrong: async () => ({ number: 'no number' }) as never,
    });
  }

  #notify(): void {
    const listeners = this.#onWaiting;
    this.#onWaiting = [];
    for (const listener of listeners) listener();
  }
}
