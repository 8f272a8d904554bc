/**
 * Large buffers, used again. The garbage collector counts every new buffer and collects the whole heap each few tens of MiB: at
 * 500 MB/s that is ten times a second, longer the more the process holds. Who moves bulk data and knows when an attachment is
 * done with gives it back here; who does not, loses only speed.
 */
const STEP_BYTES = 64 * 1024;
/** Kept for the next use, at most. */
const KEPT_BYTES_MAX = 64 * 1024 * 1024;

export class BufferPool {
  readonly #free = new Map<number, ArrayBuffer[]>();
  #freeBytes = 0;
  /** Buffers that are out, and may come back once. */
  readonly #out = new WeakSet<ArrayBufferLike>();
  readonly #keptBytesMax: number;

  constructor(keptBytesMax = KEPT_BYTES_MAX) {
    this.#keptBytesMax = keptBytesMax;
  }

  take(bytes: number): Buffer {
    if (bytes < STEP_BYTES) return Buffer.allocUnsafe(bytes);
    const capacity = Math.ceil(bytes / STEP_BYTES) * STEP_BYTES;
    let memory = this.#free.get(capacity)?.pop();
    if (memory) this.#freeBytes -= capacity;
    else memory = Buffer.allocUnsafeSlow(capacity).buffer as ArrayBuffer;
    this.#out.add(memory);
    return Buffer.from(memory, 0, bytes);
  }

  /** Nobody may look at the buffer, or at a view of it, any more. Buffers from elsewhere are ignored, and so is a second time. */
  give({ buffer: memory }: Uint8Array): void {
    if (!this.#out.delete(memory)) return;
    const capacity = memory.byteLength;
    if (this.#freeBytes + capacity > this.#keptBytesMax) return;
    this.#freeBytes += capacity;
    const free = this.#free.get(capacity);
    if (free) free.push(memory as ArrayBuffer);
    else this.#free.set(capacity, [memory as ArrayBuffer]);
  }
}

const attachments = new BufferPool();

export function takeAttachmentBuffer(bytes: number): Buffer {
  return attachments.take(bytes);
}

/** Gives the memory of an attachment that Kuafu delivered back for the next one. Optional; see BufferPool. */
export function recycleAttachment(attachment: Uint8Array): void {
  attachments.give(attachment);
}
