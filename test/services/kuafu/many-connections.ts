import { fork } from 'node:child_process';
import { once } from 'node:events';
import { encodeBody } from '../../../services/kuafu/codec.ts';
import { FRAME_KINDS, FRAME_LIMITS } from '../../../services/kuafu/core/frame.ts';
import { MAGIC, VERSION, WINDOW_BYTES } from '../../../services/kuafu/core/messages.ts';
import type { Channel } from '../../../services/kuafu/transport.ts';
import { tcpTransport } from '../../../services/kuafu/transports/tcp.ts';

/** Many connections to one server in a process of its own, and calls over any of them. */
export interface Weight {
  connections: number;
  rss: number;
  heapUsed: number;
  external: number;
}

export async function startManyServer(connectionsMax: number) {
  const execArgv = ['--import', 'tsx', '--expose-gc'];
  const child = fork(new URL('many-server.ts', import.meta.url), [String(connectionsMax)], { execArgv });
  const [{ address }] = (await once(child, 'message')) as [{ address: string }];
  const weigh = async (): Promise<Weight> => {
    child.send('weigh');
    const [weight] = (await once(child, 'message')) as [Weight];
    return weight;
  };
  return { address, weigh, close: () => child.kill('SIGKILL') };
}

/** The bare other end of a connection: a caller's whole client would weigh more than the server's side of it. */
export class Caller {
  readonly #channel: Channel;
  /** Why the server would not have it, if it said so. */
  refusal: string | undefined;
  #onFrame: () => void = () => {};
  #replies = 0;

  static async connect(address: string): Promise<Caller> {
    const caller = new Caller(await tcpTransport.connect(address, new AbortController().signal));
    await new Promise<void>((resolve) => (caller.#onFrame = resolve));
    return caller;
  }

  private constructor(channel: Channel) {
    this.#channel = channel;
    channel.start({
      frame: ({ kind, body }) => {
        if (kind === FRAME_KINDS.goAway) this.refusal = body.toString('latin1');
        if (kind === FRAME_KINDS.reply) this.#replies++;
        channel.setLimits(FRAME_LIMITS);
        this.#onFrame();
      },
      violated() {},
      closed: () => this.#onFrame(),
    });
    channel.send({ kind: FRAME_KINDS.hello, id: 0, body: encodeBody({ magic: MAGIC, version: VERSION, windowBytes: WINDOW_BYTES }) });
  }

  /** Resolves to whether the call was answered. */
  async call(id: number): Promise<boolean> {
    const before = this.#replies;
    const heard = new Promise<void>((resolve) => (this.#onFrame = resolve));
    this.#channel.send({ kind: FRAME_KINDS.request, id, body: encodeBody(['echo', 'echo', 30_000, { text: 'hello' }]) });
    await heard;
    return this.#replies === before + 1;
  }

  close(): void {
    this.#channel.close('done');
  }
}

/** Connects `count` callers, no more than a listening socket's backlog at a time. */
export async function connectMany(address: string, count: number): Promise<Caller[]> {
  const callers: Caller[] = [];
  while (callers.length < count) {
    const some = Array.from({ length: Math.min(200, count - callers.length) }, () => Caller.connect(address));
    callers.push(...(await Promise.all(some)));
  }
  return callers;
}
