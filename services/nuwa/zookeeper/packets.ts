import { Malformed, Reader } from './wire.ts';

const LENGTH_BYTES = 4;

/** Cuts what comes over a connection into packets. Pieces of one are put together once, when it is whole. */
export class Packets {
  #pieces: Buffer[] = [];
  /** Bytes of the first piece that were taken. */
  #at = 0;
  /** Bytes that were not taken, and how many of them there must be before it is worth looking. */
  #bytes = 0;
  #needed = LENGTH_BYTES;

  push(chunk: Buffer): void {
    this.#pieces.push(chunk);
    this.#bytes += chunk.length;
  }

  /** Bytes of the packet that is not whole yet, with its length; 0: there is none, or not so much of it that its length is known. */
  get begun(): number {
    return this.#needed > LENGTH_BYTES ? this.#needed : 0;
  }

  /** Whether there may be a whole packet, which was not looked at yet. */
  get untaken(): boolean {
    return this.#bytes >= this.#needed;
  }

  /** What is held of packets that were not taken. */
  get heldBytes(): number {
    return this.#bytes;
  }

  /** The next four bytes as a word, of those who speak in words. */
  get word(): string | undefined {
    if (this.#bytes < LENGTH_BYTES) return undefined;
    return this.#whole().toString('latin1', this.#at, this.#at + LENGTH_BYTES);
  }

  /** The next whole packet. It is a view into what came, which stays as it is. */
  next(bytesMax: number): Reader | undefined {
    if (this.#bytes < this.#needed) return undefined;
    const bytes = this.#whole();
    const length = this.#bytes < LENGTH_BYTES ? 0 : bytes.readInt32BE(this.#at);
    if (length < 0 || length > bytesMax) throw new Malformed(`a packet of ${length} bytes`);
    this.#needed = LENGTH_BYTES + length;
    if (this.#bytes < this.#needed) {
      // What is left of a larger read is copied, so that it does not keep all of it in memory.
      this.#pieces = this.#bytes === 0 ? [] : [this.#at === 0 ? bytes : Buffer.from(bytes.subarray(this.#at))];
      this.#at = 0;
      return undefined;
    }
    const begin = this.#at + LENGTH_BYTES;
    this.#at = begin + length;
    this.#bytes -= LENGTH_BYTES + length;
    this.#needed = LENGTH_BYTES;
    return new Reader(bytes, begin, begin + length);
  }

  #whole(): Buffer {
    if (this.#pieces.length > 1) {
      this.#pieces = [Buffer.concat([this.#pieces[0]!.subarray(this.#at), ...this.#pieces.slice(1)])];
      this.#at = 0;
    }
    return this.#pieces[0] ?? NOTHING;
  }
}

const NOTHING = Buffer.alloc(0);
