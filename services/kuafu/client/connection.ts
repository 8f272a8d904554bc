import { messageOf } from '../../base/errors.ts';
import type { Alarm, Alarmed } from '../alarm.ts';
import { decodeBody, encodeBody, goAwayReason } from '../codec.ts';
import { KuafuError } from '../contract.ts';
import { FLAGS, FRAME_KINDS, FRAME_LIMITS, type Frame } from '../core/frame.ts';
import { readChallenge } from '../core/identify.ts';
import { helloProblem, MAGIC, VERSION, WINDOW_BYTES, windowOf } from '../core/messages.ts';
import type { Unsent } from '../core/unsent.ts';
import type { Identity } from '../guard-contract.ts';
import { SendRoom } from '../streams/send-room.ts';
import type { Channel, ChannelEvents, Detour, OutgoingFrame } from '../transport.ts';
import { Slots } from './slots.ts';

/** A call at its caller's end, from the moment it is sent. Exactly one of the three is called, once. */
export interface PendingCall {
  replied(frame: Frame): void;
  /** An error frame came. */
  failed(frame: Frame): void;
  broken(reason: string): void;
  /** Under which number its caller is known to the server, see `slotOf`. */
  readonly slot: number;
  /** May be made elsewhere or over another way: told when this one has been silent for a while. It may still answer, so a call that may run once has nothing of the kind. */
  silent?(reason: string): void;
  /** Another instance could answer it. */
  readonly othersLeft?: boolean;
  /** Of a stream: data or credit came. Returns what is wrong with it, if anything is. */
  streamed?(frame: Frame): string | undefined;
}

/**
 * TCP alone would take minutes to notice a machine that lost its power, so a peer that owes replies is looked at. If nothing came since the last look it is
 * asked with a ping:
 *
 *   silenceMs          from one look to the next, which its owner may say
 *   LOOK_MS_QUICK      the same while there are calls that another instance could answer, or that could go around whoever is between (Detour)
 *   SILENT_MS          so long without a sign, pings unanswered: those calls are made elsewhere, and a way around is looked for. A collection of garbage or a processor that a dozen processes
 *                      share holds an event loop for a few hundred milliseconds; should it be more, such a call runs twice, which it may
 *   2 × silenceMs      so long: the connection is broken, and all calls with it
 *
 * A look adds no more silence than lies between two looks, however late it comes: when this process stood still itself, the others did not.
 */
export const SILENCE_MS_DEFAULT = 5_000;
const LOOK_MS_QUICK = 1_000;
const SILENT_MS = 3_000;
const NOTHING = Buffer.alloc(0);

/**
 * The caller's end of one connection, shared by all calls to that address.
 *
 *   greeting --hello--> open --go-away--> leaving --last reply--> closed
 *
 * `leaving` takes no new calls. Closed from anywhere when the channel breaks; all pending calls then break with it.
 */
export class ClientConnection implements ChannelEvents, Alarmed {
  readonly #channel: Channel;
  readonly #alarm: Alarm;
  readonly #nowMs: () => number;
  readonly #onClosed: () => void;
  /** Called at each look that finds it silent, or that somebody between stands still. */
  readonly #onSilent: () => void;
  readonly #silenceMs: number;
  /** It was closed because nothing came, not even the answer to a ping. */
  silent = false;
  readonly #pending = new Map<number, PendingCall>();
  #state: 'greeting' | 'open' | 'leaving' | 'closed' = 'greeting';
  #lastId = 0;
  /** What each stream may send at its beginning: the server's hello says it. */
  windowBytes = 0;
  #greeted!: { resolve: () => void; reject: (error: Error) => void };
  /** Undefined when the server asks nobody who calls. */
  #slots: Slots | undefined;
  #leavingReason: string | undefined;
  /** Silence watch: when it looks next, how much silence that look may add, what had come by the last look, and how long nothing has. */
  atMs = 0;
  #watching = false;
  #lookMs = 0;
  #receivedBytesSeen = 0;
  #silentMs = 0;
  /** Of the calls under way those that could be answered some other way. */
  #movable = 0;

  /** For streams: see Wire. */
  readonly room: SendRoom;
  readonly #unsent: Unsent;

  get #goneMs(): number {
    return 2 * this.#silenceMs;
  }

  constructor(options: {
    channel: Channel;
    unsent: Unsent;
    alarm: Alarm;
    nowMs: () => number;
    onClosed: () => void;
    onSilent?: () => void;
    silenceMs?: number;
  }) {
    const { channel, unsent, alarm, nowMs, onClosed, onSilent = () => {}, silenceMs = SILENCE_MS_DEFAULT } = options;
    this.#channel = channel;
    this.#unsent = unsent;
    this.room = new SendRoom(channel, unsent);
    this.#alarm = alarm;
    this.#nowMs = nowMs;
    this.#onClosed = onClosed;
    this.#onSilent = onSilent;
    this.#silenceMs = silenceMs;
  }

  get open(): boolean {
    return this.#state === 'open';
  }

  /** False while it has been silent for so long that its calls are made elsewhere. */
  get audible(): boolean {
    return this.#silentMs < SILENT_MS;
  }

  /** Where somebody between carries it. */
  get detour(): Detour | undefined {
    return this.#channel.detour;
  }

  /** There is a better one to the same peer: what may be made again is, over that; the rest may still be answered here. */
  leave(reason: string): void {
    if (this.#state !== 'open') return;
    this.#state = 'leaving';
    for (const call of [...this.#pending.values()]) call.silent?.(reason);
    this.#maybeIdle();
  }

  /** Resolves once both sides said hello. */
  greet(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#greeted = { resolve, reject };
      this.#channel.send({
        kind: FRAME_KINDS.hello,
        id: 0,
        body: encodeBody({ magic: MAGIC, version: VERSION, windowBytes: WINDOW_BYTES }),
      });
      this.#channel.start(this, { unsent: this.#unsent });
    });
  }

  /** The number to make a call as this identity with; right before it, since numbers that no call uses may become somebody else's. */
  slotOf(identity: Identity | undefined): number {
    return identity && this.#slots ? this.#slots.slotOf(identity, this.#nowMs()) : 0;
  }

  /** The server did not take a call of this slot. */
  slotRefused(slot: number): void {
    this.#slots?.refused(slot, this.#nowMs());
  }

  /** Sends the request; returns the id by which it can be cancelled. */
  call(pending: PendingCall, flags: number, body: Uint8Array, attachment: Parameters<Channel['send']>[0]['attachment']): number {
    const id = this.#newId();
    if (this.#pending.size === 0) this.#becomeBusy();
    this.#pending.set(id, pending);
    if (this.#mayMove(pending) && this.#movable++ === 0 && this.#lookMs > LOOK_MS_QUICK) this.#lookSooner();
    this.#channel.send({ kind: FRAME_KINDS.request, flags, number: pending.slot, id, body, attachment });
    return id;
  }

  /** A further frame of a call under way. */
  send(frame: OutgoingFrame): void {
    this.#channel.send(frame);
  }

  /** The caller waits no longer: its reply, should it come, is dropped. */
  cancel(id: number): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#forget(id, pending);
    // What is withdrawn of a stream need not have been all of it.
    if (!this.#channel.withdraw(id) || pending.streamed) this.#channel.send({ kind: FRAME_KINDS.cancel, id, body: NOTHING });
    this.#maybeIdle();
  }

  close(reason?: string): void {
    this.#channel.close(reason);
  }

  frame(frame: Frame): void {
    switch (frame.kind) {
      case FRAME_KINDS.reply:
      case FRAME_KINDS.error: {
        if (this.#state === 'greeting') return this.violated('the first frame is no hello');
        const pending = this.#pending.get(frame.id);
        if (!pending) return; // cancelled in the meantime
        this.#forget(frame.id, pending);
        if (frame.kind === FRAME_KINDS.reply) pending.replied(frame);
        else pending.failed(frame);
        return this.#maybeIdle();
      }
      case FRAME_KINDS.data:
      case FRAME_KINDS.credit:
        return this.#handleStreamed(frame);
      case FRAME_KINDS.hello:
        return this.#handleHello(frame);
      case FRAME_KINDS.ping:
        return this.#channel.send({ kind: FRAME_KINDS.pong, id: frame.id, body: NOTHING });
      case FRAME_KINDS.goAway:
        return this.#handleGoAway(frame);
      case FRAME_KINDS.pong:
        return;
      default:
        return this.violated(`a frame of kind ${frame.kind} from a server`);
    }
  }

  violated(problem: string): void {
    this.#channel.send({ kind: FRAME_KINDS.goAway, id: 0, body: encodeBody({ reason: problem }) });
    this.#channel.close(problem);
  }

  roomy(): void {
    this.room.flush();
  }

  closed(reason: string): void {
    if (this.#state === 'closed') return;
    const why = this.#leavingReason ?? reason;
    this.#state = 'closed';
    this.#greeted.reject(new KuafuError('Unavailable', `${this.#channel.peer}: ${why}`));
    if (this.#watching) this.#alarm.remove(this);
    this.#watching = false;
    this.#onClosed();
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    this.#movable = 0;
    for (const call of pending) call.broken(why);
  }

  /** Time to look whether the peer still lives. */
  due(): void {
    this.#watching = false;
    const heard = this.#channel.receivedBytes !== this.#receivedBytesSeen;
    this.#silentMs = heard ? 0 : this.#silentMs + this.#lookMs;
    if (this.#state === 'closed') return;
    // One that fell silent is asked until it is heard again, or gone: nobody calls it meanwhile.
    if (this.#pending.size === 0 && this.audible) return;
    if (this.#silentMs >= this.#goneMs) {
      this.silent = true;
      return this.#channel.close(`the peer has been silent for ${this.#goneMs / 1000} s`);
    }
    if (!heard) this.#channel.send({ kind: FRAME_KINDS.ping, id: 0, body: NOTHING });
    if (!this.audible) {
      for (const call of [...this.#pending.values()])
        if (call.othersLeft) call.silent?.(`the peer has been silent for ${SILENT_MS / 1000} s`);
    }
    if (!heard && (!this.audible || this.detour?.wanted)) this.#onSilent();
    this.#watch();
  }

  #mayMove({ silent, othersLeft }: PendingCall): boolean {
    return silent !== undefined && (othersLeft === true || this.detour !== undefined);
  }

  #handleStreamed(frame: Frame): void {
    const pending = this.#pending.get(frame.id);
    if (!pending) return; // cancelled in the meantime
    const problem = pending.streamed ? pending.streamed(frame) : `a frame of kind ${frame.kind} for a call that is no stream`;
    if (problem !== undefined) this.violated(problem);
  }

  #handleHello(frame: Frame): void {
    if (this.#state !== 'greeting') return this.violated('a second hello');
    let problem: string | undefined;
    let challenge: ReturnType<typeof readChallenge>;
    try {
      const hello = decodeBody(frame.body);
      problem = helloProblem(hello);
      challenge = problem === undefined ? readChallenge(hello) : undefined;
      if (problem === undefined) this.windowBytes = windowOf(hello)!;
    } catch (error) {
      problem = messageOf(error);
    }
    if (typeof challenge === 'string') problem = challenge;
    else if (challenge) this.#slots = this.#newSlots(challenge);
    if (problem !== undefined) return this.violated(problem);
    this.#channel.setLimits(FRAME_LIMITS);
    this.#channel.setReferenced(false);
    this.#state = 'open';
    this.#greeted.resolve();
  }

  #newSlots(challenge: { cluster: string; nonce: Uint8Array }): Slots {
    const { binding } = this.#channel;
    // Flagged like calls of high priority, so that none of them overtakes it.
    const send = (slot: number, body: Uint8Array): void =>
      this.#channel.send({ kind: FRAME_KINDS.identify, flags: FLAGS.high, id: slot, body });
    const inUse = (): Set<number> => new Set([...this.#pending.values()].map((pending) => pending.slot));
    return new Slots(binding ? { ...challenge, binding } : challenge, send, inUse);
  }

  #handleGoAway(frame: Frame): void {
    this.#leavingReason = `told to go away: ${goAwayReason(frame)}`;
    if (this.#state === 'open') this.#state = 'leaving';
    this.#onClosed(); // new calls need a new connection
    this.#maybeIdle();
  }

  #becomeBusy(): void {
    this.#channel.setReferenced(true);
    if (this.#watching) return;
    this.#silentMs = 0;
    this.#watch();
  }

  #forget(id: number, pending: PendingCall): void {
    this.#pending.delete(id);
    if (this.#mayMove(pending)) this.#movable--;
  }

  #maybeIdle(): void {
    if (this.#pending.size > 0) return;
    if (this.#state === 'leaving') this.#channel.close();
    else if (this.#state === 'open') this.#channel.setReferenced(false);
  }

  #watch(): void {
    this.#watching = true;
    this.#receivedBytesSeen = this.#channel.receivedBytes;
    this.#lookMs = Math.min(this.#movable > 0 ? LOOK_MS_QUICK : Number.POSITIVE_INFINITY, this.#silenceMs, this.#goneMs - this.#silentMs);
    this.atMs = this.#nowMs() + this.#lookMs;
    this.#alarm.add(this);
  }

  #lookSooner(): void {
    const soonMs = this.#nowMs() + LOOK_MS_QUICK;
    if (!this.#watching || this.atMs <= soonMs) return;
    this.#alarm.remove(this);
    this.#lookMs = LOOK_MS_QUICK;
    this.atMs = soonMs;
    this.#alarm.add(this);
  }

  #newId(): number {
    do this.#lastId = this.#lastId === 0xffff_ffff ? 1 : this.#lastId + 1;
    while (this.#pending.has(this.#lastId));
    return this.#lastId;
  }
}
