import { type Clock, systemClock } from '../../base/clock.ts';
import { KuafuError } from '../contract.ts';
import { parseAddress } from '../core/address.ts';
import { FRAME_KINDS, type Frame, type FrameLimits, HELLO_LIMITS } from '../core/frame.ts';
import { FrameParser } from '../core/frame-parser.ts';
import type { Channel, ChannelEvents, Listener, OutgoingFrame, Transport } from '../transport.ts';
import { type Faults, noFaults } from './faults.ts';
import { Outbox } from './outbox.ts';

/**
 * Channels within one process, for tests. Frames go through the same codec as on a socket and arrive in a later turn, at
 * times the faults choose: without faults in order and at once.
 */
export class MemoryNetwork {
  readonly #listeners = new Map<string, (channel: Channel) => void>();
  readonly #channels = new Set<MemoryChannel>();
  readonly #faults: Faults;
  readonly #clock: Clock;

  constructor(options: { faults?: Faults; clock?: Clock } = {}) {
    this.#faults = options.faults ?? noFaults;
    this.#clock = options.clock ?? systemClock;
  }

  /** The transport as seen from one end; faults know that end as `name`. */
  transport(name = 'somebody'): Transport {
    return {
      connect: async (address) => {
        const to = memoryName(address);
        await nextTurn();
        const accept = this.#listeners.get(to);
        if (!accept || !this.#faults.reachable(name, to))
          throw new KuafuError('Unavailable', `no connection to ${address}: nobody listens there`);
        const near = new MemoryChannel(this.#faults, this.#clock, name, to, this.#channels);
        const far = new MemoryChannel(this.#faults, this.#clock, to, name, this.#channels);
        near.join(far);
        accept(far);
        return near;
      },
      listen: async (address, onChannel): Promise<Listener> => {
        const at = memoryName(address);
        if (this.#listeners.has(at)) throw new KuafuError('Unavailable', `cannot listen at ${address}: somebody does already`);
        this.#listeners.set(at, onChannel);
        return {
          address: `mem://${at}`,
          close: async () => {
            this.#listeners.delete(at);
          },
        };
      },
    };
  }

  /** Cuts every open connection between the two, as if a cable was pulled and both ends noticed. */
  cut(a: string, b: string): void {
    for (const channel of [...this.#channels]) if (channel.joins(a, b)) channel.break('the connection was cut');
  }
}

class MemoryChannel implements Channel {
  readonly peer: string;
  receivedBytes = 0;
  readonly doubles = true;
  /** What is sent is the other end's. */
  readonly unsentBytes = 0;
  readonly #faults: Faults;
  readonly #clock: Clock;
  readonly #from: string;
  readonly #all: Set<MemoryChannel>;
  #far: MemoryChannel | undefined;
  #limits: FrameLimits = HELLO_LIMITS;
  #events: ChannelEvents | undefined;
  #early: Buffer[] = [];
  #closedReason: string | undefined;

  constructor(faults: Faults, clock: Clock, from: string, to: string, all: Set<MemoryChannel>) {
    this.#faults = faults;
    this.#clock = clock;
    this.#from = from;
    this.peer = to;
    this.#all = all.add(this);
  }

  join(far: MemoryChannel): void {
    this.#far = far;
    far.#far = this;
  }

  joins(a: string, b: string): boolean {
    return (this.#from === a && this.peer === b) || (this.#from === b && this.peer === a);
  }

  start(events: ChannelEvents): void {
    this.#events = events;
    const early = this.#early;
    this.#early = [];
    for (const bytes of early) this.#receive(bytes);
    if (this.#closedReason !== undefined) events.closed(this.#closedReason);
  }

  setLimits(limits: FrameLimits): void {
    this.#limits = limits;
  }

  send(frame: OutgoingFrame): void {
    if (this.#closedReason !== undefined) return;
    const outbox = new Outbox();
    outbox.push(frame);
    // Joined, so that the two ends never share memory, as over a socket.
    this.#deliver(Buffer.concat(outbox.take()), frame.kind === FRAME_KINDS.hello ? [0] : this.#faults.fate(this.#from, this.peer));
  }

  withdraw(): boolean {
    return false;
  }

  close(reason = 'closed here'): void {
    if (this.#closedReason !== undefined) return;
    const far = this.#far!;
    setImmediate(() => far.break('the peer closed the connection'));
    this.break(reason);
  }

  setReferenced(): void {}

  /** This end sees the channel closed. */
  break(reason: string): void {
    if (this.#closedReason !== undefined) return;
    this.#closedReason = reason;
    this.#all.delete(this);
    this.#events?.closed(reason);
  }

  #deliver(bytes: Buffer, fate: number[]): void {
    for (const delayMs of fate) {
      const arrive = (): void => this.#far!.#receive(bytes);
      if (delayMs <= 0) setImmediate(arrive);
      else void this.#clock.sleep(delayMs).then(arrive);
    }
  }

  #receive(bytes: Buffer): void {
    if (this.#closedReason !== undefined) return;
    if (!this.#events) {
      this.#early.push(bytes);
      return;
    }
    this.receivedBytes += bytes.length;
    // A parser for each frame: where frames are lost or overtake each other there is no stream.
    const problem = new FrameParser((frame: Frame) => this.#events!.frame(frame), { limits: this.#limits }).push(bytes);
    if (problem !== undefined) this.#events.violated(problem);
  }
}

/** The network of `mem://` addresses when none is given. */
export const processNetwork = new MemoryNetwork();

function memoryName(address: string): string {
  const parsed = parseAddress(address);
  if (parsed.scheme !== 'mem') throw new KuafuError('InvalidRequest', `not a mem:// address: ${address}`);
  return parsed.name;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
