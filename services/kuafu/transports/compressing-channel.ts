import { pack, packable, packElsewhere, plain, UNPACKED_BYTES_MAX, unpack } from '../compressed.ts';
import { FLAGS, FRAME_KINDS, type Frame, type FrameHeader, type FrameLimits, HELLO_LIMITS } from '../core/frame.ts';
import type { DropCause } from '../core/frame-parser.ts';
import { keepsOrder } from '../core/waiting-frames.ts';
import type { Channel, ChannelAccounts, ChannelEvents, Detour, OutgoingFrame } from '../transport.ts';
import { byteLength } from './outbox.ts';

/**
 * A channel that compresses the frames whose flags ask for it, and unpacks those that come. The owner never sees a packed frame; it learns from
 * the flags of a request whether to ask for its reply.
 *
 * Frames of more than 64 KiB are packed by another thread, at half a millisecond and more each. Meanwhile frames of other calls pass; those of
 * the same call wait, so each call's frames stay in order. What would be too much at once goes as it is.
 */
const SYNC_BYTES_MAX = 64 * 1024;
/** Being packed at one time: Node has four threads for that, so that each has one and the next is at hand. */
const PACKING_BYTES_MAX = 8 * UNPACKED_BYTES_MAX;

/** A call with a frame that is being packed. */
interface Packing {
  frame: OutgoingFrame;
  /** Its frames that come after. */
  behind: OutgoingFrame[];
}

export class CompressingChannel implements Channel, ChannelEvents {
  readonly #inner: Channel;
  #events: ChannelEvents | undefined;
  #limits: FrameLimits = HELLO_LIMITS;
  readonly #packing = new Map<number, Packing>();
  #packingBytes = 0;
  /** Asked to close while something was being packed. */
  #closing = false;

  constructor(inner: Channel) {
    this.#inner = inner;
  }

  get peer(): string {
    return this.#inner.peer;
  }

  get binding(): Uint8Array | undefined {
    return this.#inner.binding;
  }

  get receivedBytes(): number {
    return this.#inner.receivedBytes;
  }

  get detour(): Detour | undefined {
    return this.#inner.detour;
  }

  get doubles(): boolean {
    return this.#inner.doubles ?? false;
  }

  get unsentBytes(): number {
    return this.#inner.unsentBytes + this.#packingBytes;
  }

  get halfRead(): number {
    return this.#inner.halfRead ?? 0;
  }

  start(events: ChannelEvents, accounts?: ChannelAccounts): void {
    this.#events = events;
    this.#inner.start(this, accounts);
  }

  setLimits(limits: FrameLimits): void {
    this.#limits = limits;
    this.#inner.setLimits(limits);
  }

  setReferenced(referenced: boolean): void {
    this.#inner.setReferenced(referenced);
  }

  send(frame: OutgoingFrame): void {
    if (this.#closing) return;
    if (this.#packing.size > 0 && keepsOrder(frame.kind)) {
      const packing = this.#packing.get(frame.id);
      if (packing) {
        packing.behind.push(frame);
        return;
      }
    }
    this.#pass(frame);
  }

  withdraw(id: number): boolean {
    const packing = this.#packing.get(id);
    if (!packing) return this.#inner.withdraw(id);
    this.#packing.delete(id);
    this.#maybeClose();
    const isWhole = ({ kind }: OutgoingFrame): boolean => kind === FRAME_KINDS.request || kind === FRAME_KINDS.reply;
    return [this.#inner.withdraw(id), isWhole(packing.frame), packing.behind.some(isWhole)].includes(true);
  }

  close(reason?: string): void {
    if (reason === undefined && this.#packing.size > 0) this.#closing = true;
    else this.#inner.close(reason);
  }

  frame(frame: Frame): void {
    if ((frame.flags & FLAGS.compressed) === 0) return this.#events!.frame(frame);
    const unpacked = unpack(frame, this.#limits);
    if (typeof unpacked === 'string') this.#events!.violated(unpacked);
    else this.#events!.frame(unpacked);
  }

  violated(problem: string): void {
    this.#events!.violated(problem);
  }

  dropped(header: FrameHeader, cause: DropCause): void {
    this.#events!.dropped?.(header, cause);
  }

  roomy(): void {
    this.#events!.roomy?.();
  }

  closed(reason: string): void {
    this.#packing.clear();
    this.#events!.closed(reason);
  }

  #pass(frame: OutgoingFrame): void {
    if (((frame.flags ?? 0) & FLAGS.compressed) === 0) return this.#inner.send(frame);
    const bytes = frame.body.length + byteLength(frame.attachment);
    if (!packable(frame) || this.#packingBytes + bytes > PACKING_BYTES_MAX) return this.#inner.send(plain(frame));
    if (bytes <= SYNC_BYTES_MAX) return this.#inner.send(pack(frame));
    const packing: Packing = { frame, behind: [] };
    this.#packing.set(frame.id, packing);
    this.#packingBytes += bytes;
    packElsewhere(frame, (packed) => {
      this.#packingBytes -= bytes;
      this.#events?.roomy?.();
      // Withdrawn, or the channel is closed.
      if (this.#packing.get(frame.id) !== packing) return;
      this.#packing.delete(frame.id);
      this.#inner.send(packed);
      this.#passAll(frame.id, packing.behind);
      this.#maybeClose();
    });
  }

  /** What came behind, up to the next frame that is packed elsewhere. */
  #passAll(id: number, frames: OutgoingFrame[]): void {
    for (const [at, frame] of frames.entries()) {
      const packing = this.#packing.get(id);
      if (packing) {
        packing.behind.push(...frames.slice(at));
        return;
      }
      this.#pass(frame);
    }
  }

  #maybeClose(): void {
    if (this.#closing && this.#packing.size === 0) this.#inner.close();
  }
}
