/**
 * ZooKeeper's wire format (Jute; `zookeeper.jute` in ZooKeeper 3.8): numbers big-endian, strings and buffers with a length of 4 bytes before them
 * (-1: none), vectors with a count, records as their fields one after the other. A packet has its length in 4 bytes before it.
 */

/** What a client sent is no message of the protocol. The connection that it came over has no meaning any more. */
export class Malformed extends Error {
  override readonly name = 'Malformed';
}

/** Reads one packet. Views into it are given away, so it must stay as it is. */
export class Reader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, from: number, end: number) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = end;
  }

  get left(): number {
    return this.#end - this.#at;
  }

  int(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }

  /** Whole numbers up to 2^53; larger ones lose their last digits. */
  long(): number {
    const at = this.#take(8);
    return this.#bytes.readInt32BE(at) * 2 ** 32 + this.#bytes.readUInt32BE(at + 4);
  }

  /** 16 hexadecimal digits. */
  longHex(): string {
    const at = this.#take(8);
    return this.#bytes.toString('hex', at, at + 8);
  }

  bool(): boolean {
    return this.#bytes[this.#take(1)] !== 0;
  }

  /** None is empty. */
  buffer(): Buffer {
    return this.bufferOrNone() ?? NOTHING;
  }

  bufferOrNone(): Buffer | undefined {
    const bytes = this.int();
    if (bytes < -1) throw new Malformed(`a length of ${bytes}`);
    return bytes === -1 ? undefined : this.bytes(bytes);
  }

  bytes(count: number): Buffer {
    const at = this.#take(count);
    return this.#bytes.subarray(at, at + count);
  }

  string(): string {
    const bytes = this.int();
    if (bytes <= 0) {
      if (bytes < -1) throw new Malformed(`a length of ${bytes}`);
      return '';
    }
    const at = this.#take(bytes);
    return this.#bytes.toString('utf8', at, at + bytes);
  }

  vector<T>(item: () => T): T[] {
    const count = this.int();
    // Each item takes a byte at least.
    if (count > this.left) throw new Malformed(`a vector of ${count} in ${this.left} bytes`);
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(item());
    return items;
  }

  #take(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#end) throw new Malformed('a packet that ends too early');
    this.#at = at + bytes;
    return at;
  }
}

const NOTHING = Buffer.alloc(0);
const SLAB_BYTES = 16 * 1024;
/** From here on a value is handed on as it is: copying it would cost more than a piece of its own. */
const PIECE_BYTES_MIN = 4 * 1024;

/**
 * Writes packets one after the other into slabs, so that all answers of one turn leave by one write. A large value is not copied: it is a piece of its
 * own between two of a slab, so whoever gives it lets it be as it is from then on. Thousands of answers with the same value take it once.
 */
export class Writer {
  #bytes = Buffer.alloc(0);
  #from = 0;
  #at = 0;
  #full: Buffer[] = [];
  #fullBytes = 0;
  /** Where the length of the packet that was begun stands, and what was written before it. */
  #lengthIn = this.#bytes;
  #lengthAt = 0;
  #pendingBefore = 0;

  /** Bytes written and not taken yet. */
  get pending(): number {
    return this.#fullBytes + this.#at - this.#from;
  }

  /** Between `begin` and `end` stands one packet; its length is filled in. */
  begin(): void {
    this.#room(4);
    this.#pendingBefore = this.pending;
    this.#lengthIn = this.#bytes;
    this.#lengthAt = this.#at;
    this.#at += 4;
  }

  end(): void {
    this.#lengthIn.writeInt32BE(this.pending - this.#pendingBefore - 4, this.#lengthAt);
  }

  int(value: number): void {
    this.#room(4);
    this.#at = this.#bytes.writeInt32BE(value, this.#at);
  }

  long(value: number): void {
    this.#room(8);
    const high = Math.floor(value / 2 ** 32);
    this.#bytes.writeInt32BE(high, this.#at);
    this.#bytes.writeUInt32BE(value - high * 2 ** 32, this.#at + 4);
    this.#at += 8;
  }

  longHex(digits: string): void {
    this.#room(8);
    this.#at += this.#bytes.write(digits, this.#at, 'hex');
  }

  bool(value: boolean): void {
    this.#room(1);
    this.#bytes[this.#at++] = value ? 1 : 0;
  }

  buffer(value: Uint8Array): void {
    this.int(value.length);
    if (value.length < PIECE_BYTES_MIN) return this.raw(value);
    this.#endPiece();
    this.#full.push(Buffer.from(value.buffer, value.byteOffset, value.length));
    this.#fullBytes += value.length;
  }

  noBuffer(): void {
    this.int(-1);
  }

  string(value: string): void {
    // At most three bytes for each unit of UTF-16.
    this.#room(4 + value.length * 3);
    const bytes = this.#bytes.write(value, this.#at + 4, 'utf8');
    this.#bytes.writeInt32BE(bytes, this.#at);
    this.#at += 4 + bytes;
  }

  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  vector<T>(items: readonly T[], item: (value: T) => void): void {
    this.int(items.length);
    for (const value of items) item(value);
  }

  /** What was written since the last time; it is not written to any more. Between packets only. */
  take(): Buffer[] {
    this.#endPiece();
    const taken = this.#full;
    this.#full = [];
    this.#fullBytes = 0;
    return taken;
  }

  #endPiece(): void {
    if (this.#at === this.#from) return;
    this.#full.push(this.#bytes.subarray(this.#from, this.#at));
    this.#fullBytes += this.#at - this.#from;
    this.#from = this.#at;
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    this.#endPiece();
    this.#bytes = Buffer.allocUnsafe(Math.max(SLAB_BYTES, bytes));
    this.#from = this.#at = 0;
  }
}
