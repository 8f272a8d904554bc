import type { Clock } from '../../base/clock.ts';
import { hasCode } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { KuafuClient, ServiceClient } from '../../kuafu/contract.ts';
import type { PeerMessage } from '../core/member/types.ts';
import type { ServerId } from '../core/raft/types.ts';
import { nuwaPeerService } from '../peer-contract.ts';
import { encodeMessages, messageBytes } from './codec.ts';

export interface LinkOptions {
  cluster: string;
  /** This server. */
  from: ServerId;
  /** Where this server answers. */
  ownAddress: string;
  to: ServerId;
  /** By the group's configuration as this server has it. */
  isVoter: () => boolean;
  address: string;
  kuafu: KuafuClient;
  clock: Clock;
  log: Logger;
  /** The peer died, stopped or is cut off; told once each time that it is found gone. */
  onLost: (peer: ServerId) => void;
}

/** Calls under way to one peer: enough to fill the way there and back, few enough that a peer that stands still costs little. */
const DELIVERIES_MAX = 16;
/** One call's messages, beside the first. */
const DELIVERY_BYTES_MAX = 1024 * 1024;
/** What waits for a peer that is slow. Past it messages are dropped, which Raft mends, as it does on any network. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024;
/** A peer that stands still is not worth waiting for: Raft asks again sooner than this. */
const DELIVER_TIMEOUT_MS = 3_000;
const ATTEND_TIMEOUT_MS = 600_000;
/** Between tries to reach a peer that is gone: how late a restarted one is noticed, at the worst. */
const ATTEND_PAUSE_MS = 200;

/**
 * The way to one peer. Messages of one turn go as one call, in their order, and arrive in it: what a client asked first is done first. So
 * where a call failed, what was to follow it is dropped, and only one call is under way until one came through.
 *
 * A call that the peer answers only when it stops (`attend`) is always under way: its end says at once that the peer is gone, where silence
 * would have to last for an election timeout.
 */
export class Link {
  readonly to: ServerId;
  readonly address: string;
  readonly #options: LinkOptions;
  readonly #peer: ServiceClient<typeof nuwaPeerService>;
  readonly #closing = new AbortController();
  #waiting: PeerMessage[] = [];
  #waitingBytes = 0;
  #deliveries = 0;
  /** A call came through since the last one that failed. */
  #up = false;

  constructor(options: LinkOptions) {
    this.to = options.to;
    this.address = options.address;
    this.#options = options;
    this.#peer = options.kuafu.service(nuwaPeerService, options.address);
    void this.#attend();
  }

  get up(): boolean {
    return this.#up;
  }

  /** Goes with the next `flush`. */
  send(message: PeerMessage): void {
    const bytes = messageBytes(message);
    if (this.#waitingBytes + bytes > WAITING_BYTES_MAX && this.#waiting.length > 0) return;
    this.#waiting.push(message);
    this.#waitingBytes += bytes;
  }

  flush(): void {
    while (this.#waiting.length > 0 && this.#deliveries < (this.#up ? DELIVERIES_MAX : 1)) void this.#deliver(this.#takeWaiting());
  }

  close(): void {
    this.#closing.abort();
    this.#drop();
  }

  #takeWaiting(): PeerMessage[] {
    const waiting = this.#waiting;
    let bytes = 0;
    let count = 0;
    while (count < waiting.length && (count === 0 || bytes < DELIVERY_BYTES_MAX)) bytes += messageBytes(waiting[count++]!);
    this.#waitingBytes -= bytes;
    this.#waiting = waiting.slice(count);
    return count === waiting.length ? waiting : waiting.slice(0, count);
  }

  async #deliver(messages: PeerMessage[]): Promise<void> {
    const { cluster, from, to, ownAddress, isVoter } = this.#options;
    this.#deliveries++;
    try {
      const request = { cluster, from, to, address: ownAddress, voter: isVoter(), messages: encodeMessages(messages) };
      await this.#peer.deliver(request, { timeoutMs: DELIVER_TIMEOUT_MS });
      this.#up = true;
    } catch (error) {
      this.#failed(error);
    }
    this.#deliveries--;
    if (this.#waiting.length > 0) this.flush();
  }

  #failed(error: unknown): void {
    this.#drop();
    const wasUp = this.#up;
    this.#up = false;
    if (this.#closing.signal.aborted || !wasUp) return;
    const { to, address, log, onLost } = this.#options;
    log.info({ peer: to, address, err: error }, 'nuwa.peer.lost');
    // One that is only slow is left to the election timeout.
    if (!hasCode(error, 'DeadlineExceeded')) onLost(to);
  }

  #drop(): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  async #attend(): Promise<void> {
    const { cluster, from, to, clock } = this.#options;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        await this.#peer.attend({ cluster, from, to }, { timeoutMs: ATTEND_TIMEOUT_MS, signal });
        this.#failed(new Error('it stops'));
      } catch (error) {
        if (hasCode(error, 'DeadlineExceeded')) continue;
        this.#failed(error);
      }
      await clock.sleep(ATTEND_PAUSE_MS, signal, { ref: false }).catch(() => {}); // the loop sees that it was closed
    }
  }
}
