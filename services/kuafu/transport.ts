import type { Attachment } from './contract.ts';
import type { Frame, FrameHeader, FrameKind, FrameLimits } from './core/frame.ts';
import type { DropCause } from './core/frame-parser.ts';
import type { HalfRead } from './core/half-read.ts';
import type { Unsent } from './core/unsent.ts';

/**
 * The port between Kuafu and whatever carries frames. A transport makes channels; a channel carries frames both ways, in order,
 * until one side closes it. Transports know nothing of calls, and calls know nothing of sockets.
 */
export interface Transport {
  /** Rejects with KuafuError `Unavailable` when nobody answers there. */
  connect(address: string, signal: AbortSignal): Promise<Channel>;
  /** `onRefused`: a peer was turned away before it had a channel, and why. */
  listen(address: string, onChannel: (channel: Channel) => void, onRefused?: (peer: string, reason: string) => void): Promise<Listener>;
}

export interface Listener {
  /** With the port that was bound. */
  readonly address: string;
  /** Accepts no more. Channels that are open stay open. */
  close(): Promise<void>;
}

export interface OutgoingFrame {
  kind: FrameKind;
  /** @default 0 */
  flags?: number;
  /** @default 0 */
  number?: number;
  id: number;
  body: Uint8Array;
  attachment?: Attachment;
}

export interface ChannelEvents {
  frame(frame: Frame): void;
  /** The peer sent what is no frame. No more frames will come; the owner says why and closes. */
  violated(problem: string): void;
  /** A frame came that was not kept: this is its header. Only where there are accounts, or limits that say so. */
  dropped?(header: FrameHeader, cause: DropCause): void;
  /** The peer has taken what was handed over, or much of it: `unsentBytes` is smaller. */
  roomy?(): void;
  /** Called once, after the last frame. `reason`: why, when it was not this side that closed it. */
  closed(reason: string): void;
}

/** What the channels of one server, or client, share. */
export interface ChannelAccounts {
  readonly halfRead?: HalfRead;
  readonly unsent?: Unsent;
}

/** Another way to the peer of a channel that somebody between carries, who may stand still. */
export interface Detour {
  /** Somebody between was found to stand still: what is new had better go that way at once. */
  readonly wanted: boolean;
  connect(signal: AbortSignal): Promise<Channel>;
}

export interface Channel {
  /** Who is at the other end, for logs. */
  readonly peer: string;
  /** What only the two ends of this very channel know, where it is encrypted (RFC 9266 tls-exporter). */
  readonly binding?: Uint8Array;
  /** Grows with every byte that arrives: tells a silent peer from a slow one. */
  readonly receivedBytes: number;
  /** Of a channel that goes through somebody. */
  readonly detour?: Detour | undefined;
  /** A simulated network may bring a frame twice; no other does. */
  readonly doubles?: boolean;
  /** Handed over and not yet taken by the peer, or by what carries it there. */
  readonly unsentBytes: number;
  /** Which frame, counted from 1, has come in part; 0 between frames, and while this side does not read. */
  readonly halfRead?: number;
  /** Frames that arrive before this are kept. Call once. */
  start(events: ChannelEvents, accounts?: ChannelAccounts): void;
  /** What a frame may be from now on; a channel starts with HELLO_LIMITS. */
  setLimits(limits: FrameLimits): void;
  /**
   * Queues a frame; frames of one turn of the event loop share a write. While the peer is slow to read, frames with large attachments and those
   * of low priority wait and others overtake them, but never a frame of their own call; of those that wait high goes first and low last.
   */
  send(frame: OutgoingFrame): void;
  /** Takes back what waits of this call for the peer to read. True: its request or reply was among it, so the peer has heard nothing of that. */
  withdraw(id: number): boolean;
  /** Sends what is queued, then closes; what still waits for the peer to read goes too, unless `reason` says that the channel is of no use any more. */
  close(reason?: string): void;
  /** Whether this channel keeps the process from exiting. */
  setReferenced(referenced: boolean): void;
}
