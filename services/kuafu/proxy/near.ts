import type { Socket } from 'node:net';
import { systemClock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { decodeBody } from '../codec.ts';
import { KuafuError } from '../contract.ts';
import { FRAME_KINDS, HEADER_BYTES, HELLO_LIMITS, readHeader } from '../core/frame.ts';
import { parseOpening } from '../core/proxy-opening.ts';
import { type Place, parsePlace } from '../core/proxy-route.ts';
import type { Channels, OpenChannel } from './channels.ts';
import { Farewell, goAwayFrame } from './farewell.ts';
import { join, type Side } from './side.ts';
import { SocketSide } from './socket-side.ts';

/** A process that does not say whom it wants in this time wants nobody. */
const OPENING_TIMEOUT_MS = 5_000;

/** Finds a way to the place. Throws KuafuError: there is none. */
export type Reach = (place: Place, signal: AbortSignal) => Promise<Side>;

/**
 * A process of this machine has connected:
 *
 *   opening --first frame--> reaching --somebody is there--> joined
 *
 * From each of them the process may go, and is forgotten. While somebody is being reached nothing more is read from it.
 */
export class NearChannel implements OpenChannel {
  farewell: Farewell | undefined;
  readonly #side: SocketSide;
  readonly #reach: Reach;
  readonly #channels: Channels;
  readonly #log: Logger;
  readonly #gone = new AbortController();
  readonly #timeout = new AbortController();
  #head = Buffer.alloc(0);

  constructor(socket: Socket, options: { reach: Reach; channels: Channels; log: Logger }) {
    this.#reach = options.reach;
    this.#channels = options.channels;
    this.#log = options.log;
    this.#side = SocketSide.accepted(socket);
    this.#channels.add(this);
    systemClock.sleep(OPENING_TIMEOUT_MS, this.#timeout.signal, { ref: false }).then(
      () => this.#refuse('nobody was asked for in time'),
      () => {},
    );
    this.#side.closed.then(() => {
      this.#gone.abort();
      this.#timeout.abort();
      this.#channels.delete(this);
    });
    this.#side.start({
      bytes: (chunk) => this.#handleHead(chunk),
      ended: () => this.#side.end(),
      broken: () => {},
    });
  }

  cut(): void {
    this.#side.break();
  }

  /** Until the first frame is whole. */
  #handleHead(chunk: Buffer): Promise<void> | undefined {
    const head = (this.#head = Buffer.concat([this.#head, chunk]));
    if (head.length < HEADER_BYTES) return undefined;
    const header = readHeader(head, 0, HELLO_LIMITS);
    if (typeof header === 'string') return this.#refuse(header);
    const bodyEnd = HEADER_BYTES + header.bodyBytes;
    const frameEnd = bodyEnd + header.attachmentBytes;
    if (head.length < frameEnd) return undefined;
    this.#timeout.abort();
    if (header.kind !== FRAME_KINDS.hello) return this.#refuse('the first frame is no opening');
    return this.#open(head.subarray(HEADER_BYTES, bodyEnd), head.subarray(frameEnd));
  }

  async #open(opening: Buffer, rest: Buffer): Promise<void> {
    const { signal } = this.#gone;
    try {
      const place = placeOf(opening);
      const far = await this.#reach(place, signal);
      if (signal.aborted) return far.break('the process went away');
      const farewell = new Farewell(this.#side, { encrypted: place.scheme === 'tls' });
      if (rest.length > 0) far.write(rest);
      join(farewell, far);
      this.#channels.reached(this, farewell);
    } catch (error) {
      if (signal.aborted) return;
      this.#log.debug({ err: error }, 'proxy.refused');
      this.#refuse(error instanceof KuafuError ? error.reason : messageOf(error));
    }
  }

  #refuse(reason: string): undefined {
    this.#timeout.abort();
    this.#side.start({ bytes: () => undefined, ended: () => {}, broken: () => {} });
    this.#side.write(goAwayFrame(reason));
    this.#side.end();
  }
}

function placeOf(body: Buffer): Place {
  const opening = parseOpening(decodeBody(body));
  if (typeof opening === 'string') throw new KuafuError('InvalidRequest', opening);
  const place = parsePlace(opening.address);
  if (typeof place === 'string') throw new KuafuError('InvalidRequest', place);
  return place;
}
