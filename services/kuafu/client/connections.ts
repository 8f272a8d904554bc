import { setMaxListeners } from 'node:events';
import { backoffMs } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import type { Alarm } from '../alarm.ts';
import { KuafuError } from '../contract.ts';
import { Unsent } from '../core/unsent.ts';
import { totals } from '../meter.ts';
import type { Channel } from '../transport.ts';
import { CompressingChannel } from '../transports/compressing-channel.ts';
import { type Transports, transportOf } from '../transports/index.ts';
import { ClientConnection, SILENCE_MS_DEFAULT } from './connection.ts';

/** A connection and its hello; a machine that is gone does not answer at all, so somebody must give up. */
const CONNECT_MS_MAX = 3_000;
/** A refused connection costs the peer next to nothing: try again soon, yet not in a loop. */
const CONNECT_BACKOFF = { firstMs: 20, maxMs: 1_000 };
/** A process that stands still is still connected to by its system, and then says nothing: a try costs whoever makes it its whole time. */
const SILENT_BACKOFF_MS = 3_000;

interface Place {
  connection?: ClientConnection;
  connecting?: Promise<ClientConnection>;
  /** Failed tries since the last connection, and until when the next must wait. */
  failures: number;
  backoffUntilMs: number;
  lastError?: KuafuError;
}

/** One connection per address, made when first needed and made anew when it broke. */
export class Connections {
  readonly #places = new Map<string, Place>();
  readonly #live = new Set<ClientConnection>();
  readonly #unsent = new Unsent();
  readonly #closing = new AbortController();
  readonly #options: { clock: Clock; random: Random; log: Logger; alarm: Alarm; transports?: Transports; silenceMs?: number };

  constructor(options: { clock: Clock; random: Random; log: Logger; alarm: Alarm; transports?: Transports; silenceMs?: number }) {
    this.#options = options;
    setMaxListeners(0, this.#closing.signal); // one for each connection that is being made
  }

  /** The connection that is open to this address, if one is. */
  ready(address: string): ClientConnection | undefined {
    const connection = this.#places.get(address)?.connection;
    return connection?.open && !this.#hadBetterGoAround(address, connection) ? connection : undefined;
  }

  /** False while the last tries to connect failed and the next is not due, and while the connection is silent. */
  promising(address: string): boolean {
    const place = this.#places.get(address);
    if (!place) return true;
    return place.backoffUntilMs <= this.#options.clock.monotonicMs() && (place.connection?.audible ?? true);
  }

  /** Shared by all who ask meanwhile. Rejects at once with the last error while the address is backing off. */
  connect(address: string): Promise<ClientConnection> {
    let place = this.#places.get(address);
    if (!place) {
      this.#forgetOld();
      place = { failures: 0, backoffUntilMs: 0 };
      this.#places.set(address, place);
    }
    if (place.connecting) return place.connecting;
    if (place.connection?.open) {
      if (this.#hadBetterGoAround(address, place.connection)) return this.#goAround(address, place, place.connection);
      return Promise.resolve(place.connection);
    }
    if (place.backoffUntilMs > this.#options.clock.monotonicMs()) return Promise.reject(place.lastError);
    return (place.connecting = this.#connect(address, place, (signal) =>
      transportOf(address, this.#options.transports).connect(address, signal),
    ));
  }

  /** Its peer is silent, or somebody between is known to stand still, and the other way was not found closed a moment ago. */
  #hadBetterGoAround(address: string, { detour, audible }: ClientConnection): boolean {
    if (detour === undefined || (audible && !detour.wanted)) return false;
    return this.#places.get(address)!.backoffUntilMs <= this.#options.clock.monotonicMs();
  }

  /** Whoever carries `old` may stand still. While no other way leads there it stays as it is: its peer may yet be heard. */
  #goAround(address: string, place: Place, old: ClientConnection): Promise<ClientConnection> {
    const { detour } = old;
    if (!detour) return Promise.resolve(old);
    return (place.connecting ??= this.#connect(address, place, (signal) => detour.connect(signal)).then(
      (connection) => {
        old.leave('nothing came, and another way led to the peer');
        return connection;
      },
      (error) => {
        if (!old.open) throw error;
        return old;
      },
    ));
  }

  close(): void {
    this.#closing.abort(new KuafuError('Unavailable', 'the client is closed'));
    for (const connection of [...this.#live]) connection.close('the client is closed');
    this.#places.clear();
  }

  async #connect(address: string, place: Place, open: (signal: AbortSignal) => Promise<Channel>): Promise<ClientConnection> {
    const { clock, random, log, alarm, silenceMs = SILENCE_MS_DEFAULT } = this.#options;
    const nowMs = (): number => clock.monotonicMs();
    const giveUp = new AbortController();
    // Where silence is noticed sooner, so it is here.
    const timeoutMs = Math.min(CONNECT_MS_MAX, 2 * silenceMs);
    const timeout = { atMs: nowMs() + timeoutMs, due: () => giveUp.abort(new Error(`no answer in ${timeoutMs} ms`)) };
    const abort = (): void => giveUp.abort(this.#closing.signal.reason);
    this.#closing.signal.addEventListener('abort', abort);
    alarm.add(timeout);
    try {
      this.#closing.signal.throwIfAborted();
      const channel = await open(giveUp.signal);
      const onClosed = (): void => {
        if (this.#live.delete(connection)) totals.clientConnections--;
        if (place.connection === connection) place.connection = undefined;
        if (connection.silent && !place.connection) this.#leave(address, place);
      };
      const onSilent = (): void => {
        if (place.connection === connection && connection.open && this.#hadBetterGoAround(address, connection))
          this.#goAround(address, place, connection).catch(() => {});
      };
      const connection: ClientConnection = new ClientConnection({
        channel: new CompressingChannel(channel),
        unsent: this.#unsent,
        alarm,
        nowMs,
        onClosed,
        onSilent,
        silenceMs,
      });
      this.#live.add(connection);
      totals.clientConnections++;
      giveUp.signal.addEventListener('abort', () => connection.close(messageOf(giveUp.signal.reason)));
      if (giveUp.signal.aborted) connection.close(messageOf(giveUp.signal.reason));
      await connection.greet();
      place.connection = connection;
      place.failures = 0;
      place.backoffUntilMs = 0;
      return connection;
    } catch (error) {
      place.failures++;
      place.backoffUntilMs = nowMs() + backoffMs(place.failures, random, CONNECT_BACKOFF);
      place.lastError =
        error instanceof KuafuError
          ? error
          : new KuafuError('Unavailable', `no connection to ${address}: ${messageOf(error)}`, { cause: error });
      log.debug({ address, failures: place.failures, err: error }, 'kuafu.connect.failed');
      throw place.lastError;
    } finally {
      alarm.remove(timeout);
      this.#closing.signal.removeEventListener('abort', abort);
      place.connecting = undefined;
    }
  }

  #leave(address: string, place: Place): void {
    place.failures++;
    place.backoffUntilMs = this.#options.clock.monotonicMs() + SILENT_BACKOFF_MS;
    place.lastError = new KuafuError('Unavailable', `no connection to ${address}: it fell silent a moment ago`);
  }

  /** Processes come back at other ports; what was never heard of again must not pile up. */
  #forgetOld(): void {
    if (this.#places.size < 1_000) return;
    for (const [address, place] of this.#places) if (!place.connection && !place.connecting) this.#places.delete(address);
  }
}
