import { type Clock, systemClock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { type KuafuClient, KuafuError } from '../contract.ts';
import { formatAddress } from '../core/address.ts';
import { type Place, type RemoteProxy, routeOf } from '../core/proxy-route.ts';
import { kuafuProxyService } from '../proxy-contract.ts';
import type { Side } from './side.ts';
import { SocketSide } from './socket-side.ts';
import { StreamSide } from './stream-side.ts';

/** A far proxy that has not reached the process by then is gone around: a caller gives up on its connection after 3 s. */
const REACH_TIMEOUT_MS = 1_000;
/** How long one that could not help is left alone. It is asked again by the next channel after that. */
const AVOID_MS = 1_000;

export interface ReachOptions {
  /** Hosts of this machine. */
  own: ReadonlySet<string>;
  /** What is known of other machines now, by host. */
  others: () => ReadonlyMap<string, RemoteProxy>;
  /** For the connections to other proxies: one for each. */
  kuafu: KuafuClient;
  log: Logger;
  clock?: Clock;
}

/**
 * The way from this machine to a process: through the proxy of its machine where there is one, over the connection that all channels to that machine share.
 * Where there is none, or it cannot help just now, the process is connected to directly: to be reached counts for more than how many connections that takes.
 */
export class Reaching {
  readonly #options: ReachOptions;
  readonly #clock: Clock;
  /** Proxies that could not help, by their addresses, and until when. */
  readonly #avoidedUntilMs = new Map<string, number>();

  constructor(options: ReachOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Throws KuafuError: nobody answers there, or the far proxy does not open it. */
  async reach(place: Place, signal: AbortSignal): Promise<Side> {
    const { own, others, log } = this.#options;
    const route = routeOf(place, own, others());
    if (route.kind === 'proxy' && this.#promising(route.address)) {
      try {
        return await this.#through(route.address, place, signal);
      } catch (error) {
        if (signal.aborted || isFinal(error)) throw error;
        this.#avoidedUntilMs.set(route.address, this.#clock.monotonicMs() + AVOID_MS);
        log.warn({ machine: route.machine, proxy: route.address, reason: messageOf(error) }, 'proxy.gone_around');
      }
    }
    return connectDirectly(place, signal);
  }

  #promising(address: string): boolean {
    const untilMs = this.#avoidedUntilMs.get(address);
    if (untilMs === undefined) return true;
    if (untilMs > this.#clock.monotonicMs()) return false;
    this.#avoidedUntilMs.delete(address);
    return true;
  }

  async #through(proxy: string, { scheme, host, port }: Place, signal: AbortSignal): Promise<Side> {
    const address = formatAddress(scheme, host, port);
    const late = new AbortController();
    const call = this.#options.kuafu.service(kuafuProxyService, proxy).open({ address });
    // The first message says that the process was reached. If the stream ends before it, its reply says why.
    const messages = call[Symbol.asyncIterator]();
    const giveUp = (): void => call.cancel(signal.aborted ? signal.reason : new Error(`no answer in ${REACH_TIMEOUT_MS} ms`));
    signal.addEventListener('abort', giveUp);
    this.#clock.sleep(REACH_TIMEOUT_MS, late.signal, { ref: false }).then(giveUp, () => {});
    try {
      const first = await messages.next();
      if (first.done) {
        await call.reply;
        throw new KuafuError('Unavailable', 'the far proxy ended the channel');
      }
    } finally {
      late.abort();
      signal.removeEventListener('abort', giveUp);
    }
    return new StreamSide({
      messages: { [Symbol.asyncIterator]: () => messages },
      send: (chunk) => call.send(undefined, chunk),
      end: () => call.end(),
      break: (reason) => call.cancel(new Error(reason)),
    });
  }
}

export async function connectDirectly({ host, port }: Place, signal: AbortSignal): Promise<SocketSide> {
  try {
    return await SocketSide.connected({ host, port }, signal);
  } catch (error) {
    throw new KuafuError('Unavailable', `nobody answers at ${host}:${port}: ${messageOf(error)}`, {
      cause: error,
      details: { target: true },
    });
  }
}

/** The far proxy has looked: no other way leads elsewhere. */
function isFinal(error: unknown): boolean {
  return error instanceof KuafuError && error.details.target === true;
}
