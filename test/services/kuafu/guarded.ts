import { z } from 'zod';
import type { Clock } from '../../../services/base/clock.ts';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import {
  type CallContext,
  defineService,
  type Implementation,
  KuafuError,
  type KuafuServer,
  method,
} from '../../../services/kuafu/contract.ts';
import type { Identity } from '../../../services/kuafu/guard-contract.ts';
import { implement, type ServerLimits, serve } from '../../../services/kuafu/server.ts';
import { MemoryNetwork } from '../../../services/kuafu/transports/memory.ts';
import { TestGuard } from './guard-under-test.ts';

const who = z.object({ who: z.string() });

/** A service with one method for each way to say who may call. */
export const guardedService = defineService('guarded', {
  errors: KuafuError,
  methods: {
    open: method({ request: z.object({}), response: who, access: 'open' }),
    me: method({ request: z.object({}), response: who, access: 'identified' }),
    read: method({
      request: z.object({ names: z.array(z.string()) }),
      response: who,
      idempotent: true,
      access: { operation: 'read', on: ({ names }, cluster) => names.map((name) => `pangu://${cluster}/${name}`) },
    }),
    /** Waits for its signal, or for `release`. */
    wait: method({ request: z.object({}), response: who, access: 'identified' }),
    /** Asks somebody else, who does not know this server. */
    forward: method({ request: z.object({}), response: who, access: 'open' }),
    /** Its handler looks closer than the contract can. */
    closer: method({ request: z.object({}), response: who, access: 'identified' }),
    broken: method({
      request: z.object({}),
      response: who,
      access: {
        operation: 'read',
        on: () => {
          throw new TypeError('x is not a function');
        },
      },
    }),
    unsaid: method({ request: z.object({}), response: who }),
  },
});

export class Guarded {
  readonly guard = new TestGuard();
  readonly network: MemoryNetwork;
  server!: KuafuServer;
  /** Calls that came as far as a handler. */
  reached: string[] = [];
  waiting: { context: CallContext; release: () => void }[] = [];
  readonly clients: { close(): Promise<void> }[] = [];
  readonly clock: Clock | undefined;

  constructor(clock?: Clock) {
    this.clock = clock;
    this.network = new MemoryNetwork({ clock });
  }

  async start(options: { limits?: ServerLimits; guard?: 'none' } = {}): Promise<this> {
    const { limits, guard = this.guard } = options;
    const transports = { mem: this.network.transport('s') };
    this.server = await serve({
      address: 'mem://s',
      guard,
      cluster: 'local',
      implementations: [this.#implementation()],
      limits,
      transports,
      clock: this.clock,
    });
    return this;
  }

  client(identity?: Identity) {
    const kuafu = createKuafuClient({ identity, transports: { mem: this.network.transport('c') }, clock: this.clock });
    this.clients.push(kuafu);
    return { kuafu, service: kuafu.service(guardedService, 'mem://s') };
  }

  async stop(): Promise<void> {
    for (const client of this.clients) await client.close();
    await this.server.close({ graceMs: 0 });
  }

  #implementation(): Implementation {
    const tell = async (_request: unknown, { caller }: CallContext) => {
      this.reached.push(caller.name);
      return { who: caller.name };
    };
    return implement(guardedService, {
      open: tell,
      me: tell,
      read: tell,
      wait: async (request, context) => {
        await new Promise<void>((resolve, reject) => {
          this.waiting.push({ context, release: resolve });
          context.signal.addEventListener('abort', () => reject(context.signal.reason));
        });
        return tell(request, context);
      },
      forward: async () => {
        throw new KuafuError('Unauthenticated', 'who are you?', { details: { cause: 'TokenExpired' } });
      },
      closer: async (_request, { caller }) => {
        const reason = caller.refusal('write', 'pangu://local/secret');
        throw new KuafuError('PermissionDenied', 'not that', { details: { operation: 'write' }, cause: new Error(reason) });
      },
      broken: tell,
      unsaid: tell,
    });
  }
}

export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}
