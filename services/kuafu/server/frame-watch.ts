import type { Channel } from '../transport.ts';

/**
 * Tells whether the frame that is half read on a connection goes on. What is held of it is held from others, and a peer that stops in the middle of one
 * would hold it for ever.
 */
/** How often it is looked. */
export const FRAMES_CHECK_MS = 5_000;
/** A frame that moves by less than this from one look to the next stands still. No line that anybody waits for is so slow. */
const MOVED_BYTES_MIN = 1024;
/** Looks at which a frame stood still before that counts: one may come right after this process itself stood still. */
const LOOKS_MAX = 2;

export class FrameWatch {
  readonly #channel: Channel;
  /** Which frame was half read at the last look, what had come by then, and at how many looks it stood still. */
  #halfRead = 0;
  #receivedBytes = 0;
  #stoodStill = 0;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** True: the frame does not go on. */
  look(): boolean {
    const { halfRead = 0, receivedBytes } = this.#channel;
    const still = halfRead > 0 && halfRead === this.#halfRead && receivedBytes - this.#receivedBytes < MOVED_BYTES_MIN;
    this.#stoodStill = still ? this.#stoodStill + 1 : 0;
    this.#halfRead = halfRead;
    this.#receivedBytes = receivedBytes;
    return this.#stoodStill >= LOOKS_MAX;
  }
}
