import { connect as connectSocket } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Channel, Detour } from '../transport.ts';

/**
 * Whether the proxy of this machine can be relied on. A proxy that is not there refuses at once, and one that stands still takes connections all the same, for
 * its kernel does; what tells is that nothing comes back.
 *
 *   there --silent, and another way led there, or a question was not answered--> left alone --it answers a question--> there
 *
 * While it is left alone connections are made directly; now and then one of them has it asked again, in the background. Channels that go through it have a
 * detour: whoever finds their peer silent goes that way, and has the proxy asked whether it is to blame.
 */
/** A far proxy has a second to answer before the near one goes around it; as much again is left to connect directly, of the 3 s that a connection may take. */
export const PATIENCE_MS = 1_500;
/** How often a proxy that stood still is asked whether it is back. */
const ASK_AGAIN_MS = 5_000;

export interface Ways {
  /** Resolves once the other end was heard. Rejects with ProxyAbsent where there is no proxy; anything else that it rejects with is final. */
  through(signal: AbortSignal): Promise<Channel & { detour?: Detour | undefined }>;
  past(signal: AbortSignal): Promise<Channel>;
}

export class ProxyAbsent extends Error {}

export class ProxyWatch {
  readonly #path: string;
  /** A first frame that a proxy answers at once. */
  readonly #question: Uint8Array;
  readonly #clock: Clock;
  readonly #log: Logger;
  #absent = false;
  #leftAlone = false;
  #askAtMs = 0;
  #asking = false;

  constructor(path: string, question: Uint8Array, { clock, log }: { clock: Clock; log: Logger }) {
    this.#path = path;
    this.#question = question;
    this.#clock = clock;
    this.#log = log;
  }

  /** Through the proxy, or past it when it is not there, stands still, or did so lately. */
  async connect({ through, past }: Ways, signal: AbortSignal): Promise<Channel> {
    if (this.#leftAlone) {
      this.#maybeAsk();
      return past(signal);
    }
    const first = new AbortController();
    const second = new AbortController();
    const patience = new AbortController();
    const abort = (): void => {
      first.abort(signal.reason);
      second.abort(signal.reason);
    };
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    let direct: Promise<Channel> | undefined;
    try {
      const proxied = through(first.signal).then((channel) => {
        this.#absent = false;
        channel.detour = this.#around(past);
        return channel;
      });
      const late = this.#clock.sleep(PATIENCE_MS, patience.signal, { ref: false }).then(
        () => undefined,
        () => new Promise<never>(() => {}), // decided before
      );
      const early = await Promise.race([proxied, late]);
      if (early) return early;
      direct = past(second.signal).then((channel) => {
        this.#becomeSilent();
        return channel;
      });
      const channel = await firstOf(proxied, direct);
      giveUp(channel.viaProxy ? second : first, channel.viaProxy ? direct : proxied);
      return channel.channel;
    } catch (error) {
      if (!(error instanceof ProxyAbsent)) {
        if (direct) giveUp(second, direct);
        throw error;
      }
      if (!this.#absent) this.#log.warn({ proxy: this.#path, reason: error.message }, 'kuafu.proxy.absent');
      this.#absent = true;
      return direct ?? past(signal);
    } finally {
      patience.abort();
      signal.removeEventListener('abort', abort);
    }
  }

  #around(past: Ways['past']): Detour {
    const wanted = (): boolean => this.#leftAlone;
    return {
      get wanted() {
        return wanted();
      },
      connect: (signal) => {
        if (!this.#leftAlone && !this.#asking) this.#ask();
        else this.#maybeAsk();
        return past(signal);
      },
    };
  }

  #becomeSilent(): void {
    if (this.#leftAlone) return;
    this.#leftAlone = true;
    this.#log.warn({ proxy: this.#path }, 'kuafu.proxy.silent');
    if (!this.#asking) this.#ask();
  }

  #maybeAsk(): void {
    if (this.#clock.monotonicMs() >= this.#askAtMs) this.#ask();
  }

  /** In the background; at most one question at a time. */
  #ask(): void {
    this.#askAtMs = Number.POSITIVE_INFINITY;
    this.#asking = true;
    const socket = connectSocket({ path: this.#path }).unref();
    const settled = new AbortController();
    const settle = (answered: boolean, silent = false): void => {
      if (settled.signal.aborted) return;
      settled.abort();
      socket.destroy();
      this.#askAtMs = this.#clock.monotonicMs() + ASK_AGAIN_MS;
      this.#asking = false;
      if (!answered) return silent ? this.#becomeSilent() : undefined;
      if (!this.#leftAlone) return;
      this.#leftAlone = false;
      this.#log.info({ proxy: this.#path }, 'kuafu.proxy.back');
    };
    socket.on('error', (error) => this.#log.debug({ proxy: this.#path, reason: messageOf(error) }, 'kuafu.proxy.asked'));
    socket.once('close', () => settle(false));
    socket.once('data', () => settle(true));
    socket.write(this.#question);
    this.#clock.sleep(PATIENCE_MS, settled.signal, { ref: false }).then(
      () => settle(false, true),
      () => {},
    );
  }
}

function giveUp(controller: AbortController, way: Promise<Channel>): void {
  controller.abort(new Error('another way was there first'));
  // Should both have come.
  way.then(
    (channel) => channel.close('another way was there first'),
    () => {},
  );
}

/** Whichever is there first; the proxy's refusal is final, and where the direct way fails the proxy is waited for. */
async function firstOf(proxied: Promise<Channel>, direct: Promise<Channel>): Promise<{ channel: Channel; viaProxy: boolean }> {
  const one = proxied.then((channel) => ({ channel, viaProxy: true }));
  const other = direct.then((channel) => ({ channel, viaProxy: false }));
  return Promise.race([one, other.catch(() => one)]);
}
