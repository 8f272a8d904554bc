/**
 * Large buffers, used again. The garbage collector counts every new buffer and collects the whole heap each few tens of MiB: at
 * 500 MB/s that is ten times a second, longer the more the process holds. Who moves bulk data and knows when an attachment is
 * done with gives it back here; who does not, loses only speed.
 */
const STEP_BYTES = 64 * 1024;
/** Kept for the next use, at most. */
const KEPT_BYTES_MAX = 64 * 1024 * 1024;

export class BufferPool {
  /** By capacity; the capacity used last stands last. */
  readonly #free = new Map<number, Buffer[]>();
  #freeBytes = 0;
  /** The very Buffer objects that are out: each may come back once, and a view of one is not the buffer. */
  readonly #out = new WeakSet<Uint8Array>();
  readonly #keptBytesMax: number;

  constructor(keptBytesMax = KEPT_BYTES_MAX) {
    this.#keptBytesMax = keptBytesMax;
  }

  take(bytes: number): Buffer {
    if (bytes < STEP_BYTES) return Buffer.allocUnsafe(bytes);
    const capacity = Math.ceil(bytes / STEP_BYTES) * STEP_BYTES;
    const free = this.#free.get(capacity);
    const kept = free?.pop();
    if (free) {
      this.#free.delete(capacity);
      if (free.length > 0) this.#free.set(capacity, free);
    }
    if (kept) this.#freeBytes -= capacity;
    const buffer = Buffer.from((kept ?? Buffer.allocUnsafeSlow(capacity)).buffer, 0, bytes);
    this.#out.add(buffer);
    return buffer;
  }

  /** Nobody may look at the buffer, or at a view of it, any more. Buffers from elsewhere are ignored, and so is a second time. */
  give(buffer: Uint8Array): void {
    if (!this.#out.delete(buffer)) return;
    const whole = Buffer.from(buffer.buffer);
    this.#freeBytes += whole.length;
    const free = this.#free.get(whole.length);
    if (free) free.push(whole);
    else this.#free.set(whole.length, [whole]);
    // Sizes that are asked for no more make room first.
    for (const [capacity, old] of this.#free) {
      if (this.#freeBytes <= this.#keptBytesMax) break;
      this.#freeBytes -= capacity;
      old.pop();
      if (old.length === 0) this.#free.delete(capacity);
    }
  }
}

const attachments = new BufferPool();

export function takeAttachmentBuffer(bytes: number): Buffer {
  return attachments.take(bytes);
}

/** What goes back to the pool when a socket has taken the bytes of the key. */
const lent = new WeakMap<Uint8Array, Uint8Array>();

/**
 * For a handler that makes large attachments: `attachment`, which lies in `buffer` (of `takeAttachmentBuffer`), is sent once, and nobody looks at it afterwards. What is not
 * sent through a socket after all is left to the garbage collector.
 */
export function recycleWhenSent(attachment: Uint8Array, buffer: Uint8Array = attachment): void {
  lent.set(attachment, buffer);
}

/** For whoever writes to a socket: to be called when the bytes are in the kernel. */
export function sentOf(piece: Uint8Array): (() => void) | undefined {
  const buffer = lent.get(piece);
  if (!buffer) return undefined;
  lent.delete(piece);
  return () => attachments.give(buffer);
}

/** Gives the memory of an attachment, as Kuafu delivered it, back for the next one. Optional, and only by who holds it alone. */
export function recycleAttachment(attachment: Uint8Array): void {
  attachments.give(attachment);
}
