import type { Random } from '../../../../services/base/random.ts';

/**
 * What files hold, as far as anybody can know. Bytes of an `append` file follow from its seed and their place, so any byte that a reader gets is right or wrong without
 * a copy kept here; only the length may be unknown, between what was acknowledged and what was sent. A `random` file is a buffer, and beside it what may have
 * been done to it. A log is the records its writers were told of, and those that may be in.
 */
export class WrongAnswer extends Error {}

/** Bytes [from, from + length) of the file with this seed. */
export function patternOf(seed: number, from: number, length: number): Buffer {
  const first = from >>> 2;
  const words = ((from + length + 3) >>> 2) - first;
  const bytes = Buffer.allocUnsafe(words * 4);
  for (let i = 0; i < words; i++) {
    let word = Math.imul(first + i + 1, 0x9e3779b1) ^ seed;
    word = Math.imul(word ^ (word >>> 15), 0x85ebca6b);
    bytes.writeInt32LE(word ^ (word >>> 13), i * 4);
  }
  return bytes.subarray(from - first * 4, from - first * 4 + length);
}

/** Of a file that grows at its end. */
export class GrowingContents {
  readonly seed: number;
  /** Invariant: acknowledged <= accepted. The file is as long as one of them, or between; both are the same once somebody was told. */
  acknowledged = 0;
  accepted = 0;

  constructor(seed: number) {
    this.seed = seed;
  }

  get isKnown(): boolean {
    return this.acknowledged === this.accepted;
  }

  next(length: number): Buffer {
    const bytes = patternOf(this.seed, this.accepted, length);
    this.accepted += length;
    return bytes;
  }

  /** Somebody was told how long it is, for good. */
  settle(size: number): void {
    if (size < this.acknowledged) throw new WrongAnswer(`${size} bytes are left of ${this.acknowledged} that were acknowledged`);
    if (size > this.accepted) throw new WrongAnswer(`it has ${size} bytes, and ${this.accepted} were written`);
    this.acknowledged = size;
    this.accepted = size;
  }

  /** What a reader got that asked for `length` bytes at `position`. `atLeast`: what had been acknowledged when it asked. */
  check(found: Buffer, position: number, length: number, atLeast = this.acknowledged): void {
    const least = Math.min(length, Math.max(0, atLeast - position));
    const most = Math.min(length, Math.max(0, this.accepted - position));
    if (found.length < least || found.length > most)
      throw new WrongAnswer(`${found.length} bytes at ${position}, where ${least} to ${most} are right`);
    const expected = patternOf(this.seed, position, found.length);
    if (!found.equals(expected)) throw new WrongAnswer(differ(found, position, (i) => expected[i] === found[i]));
  }
}

/** What a write or a cut that may have been done makes of the byte at a place; undefined: nothing. */
type Maybe = (position: number) => number | undefined;

export class RandomContents {
  bytes = Buffer.alloc(0);
  #maybes: Maybe[] = [];
  #lengths = new Set<number>();

  write(position: number, bytes: Buffer): void {
    const end = position + bytes.length;
    if (end > this.bytes.length) this.bytes = Buffer.concat([this.bytes, Buffer.alloc(end - this.bytes.length)]);
    bytes.copy(this.bytes, position);
  }

  truncate(length: number): void {
    this.bytes = Buffer.concat([this.bytes.subarray(0, length), Buffer.alloc(Math.max(0, length - this.bytes.length))]);
  }

  maybeWrite(position: number, bytes: Buffer): void {
    this.#maybes.push((at) => bytes[at - position]);
    for (const length of [this.bytes.length, ...this.#lengths]) this.#lengths.add(Math.max(length, position + bytes.length));
  }

  maybeTruncate(length: number): void {
    this.#maybes.push((at) => (at >= length ? 0 : undefined));
    this.#lengths.add(length);
  }

  get isKnown(): boolean {
    return this.#maybes.length === 0;
  }

  check(found: Buffer, position: number, length: number): void {
    const lengths = [this.bytes.length, ...this.#lengths].map((whole) => Math.min(length, Math.max(0, whole - position)));
    // Of a write of several pieces a part may be there.
    const fits = this.isKnown
      ? lengths.includes(found.length)
      : found.length <= Math.max(...lengths) && found.length >= Math.min(...lengths);
    if (!fits) throw new WrongAnswer(`${found.length} bytes at ${position}, where ${lengths.join(' or ')} are right`);
    if (found.equals(this.bytes.subarray(position, position + found.length))) return;
    const right = (i: number): boolean =>
      found[i] === (this.bytes[position + i] ?? 0) || this.#maybes.some((maybe) => maybe(position + i) === found[i]);
    if (found.some((_, i) => !right(i))) throw new WrongAnswer(differ(found, position, right));
  }

  /** The file is closed, and this is all of it. */
  settle(whole: Buffer): void {
    this.check(whole, 0, Number.MAX_SAFE_INTEGER);
    this.bytes = Buffer.from(whole);
    this.#maybes = [];
    this.#lengths.clear();
  }
}

function differ(found: Buffer, position: number, right: (i: number) => boolean): string {
  const wrong = [...found.keys()].filter((i) => !right(i));
  return `${wrong.length} of ${found.length} bytes at ${position} are wrong, from ${position + wrong[0]!} to ${position + wrong.at(-1)!}`;
}

const HEAD_BYTES = 12;

export class LogContents {
  readonly #seed: number;
  #ids = 0;
  #acknowledgements = 0;
  readonly #sent = new Map<number, { writer: number; length: number; place?: { offset: number; count: number } }>();

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** How many were acknowledged so far. */
  get count(): number {
    return this.#acknowledgements;
  }

  next(writer: number, random: Random): { id: number; bytes: Buffer } {
    const id = ++this.#ids;
    const length = HEAD_BYTES + random.int(random.int(20) === 0 ? 20_000 : 400);
    this.#sent.set(id, { writer, length });
    return { id, bytes: this.#record(id, length) };
  }

  acknowledged(id: number, offset: number): void {
    this.#sent.get(id)!.place = { offset, count: ++this.#acknowledgements };
  }

  /** Whole records alone, each once at most, each where its writer was told, and those of one writer in the order of its calls. `count`: of those acknowledged when the reader began. */
  check(whole: Buffer, count = this.count): void {
    const seen = new Map<number, number>();
    const last = new Map<number, number>();
    for (let at = 0; at < whole.length; ) {
      const id = whole.length - at >= HEAD_BYTES ? whole.readUInt32LE(at + 4) : 0;
      const sent = this.#sent.get(id);
      if (!sent || !whole.subarray(at, at + sent.length).equals(this.#record(id, sent.length)))
        throw new WrongAnswer(`no whole record is at ${at} of the log, which has ${whole.length} bytes`);
      if (seen.has(id)) throw new WrongAnswer(`record ${id} is at ${seen.get(id)} and at ${at}`);
      if (id < (last.get(sent.writer) ?? 0))
        throw new WrongAnswer(`record ${id} at ${at} comes after record ${last.get(sent.writer)} of its writer`);
      seen.set(id, at);
      last.set(sent.writer, id);
      at += sent.length;
    }
    for (const [id, { place }] of this.#sent) {
      if (place && place.count <= count && seen.get(id) !== place.offset)
        throw new WrongAnswer(
          `record ${id} was acknowledged at ${place.offset} and is ${seen.has(id) ? `at ${seen.get(id)}` : 'not there'}`,
        );
    }
  }

  #record(id: number, length: number): Buffer {
    const bytes = Buffer.from(patternOf(this.#seed ^ id, 0, length));
    bytes.writeUInt32LE(length, 0);
    bytes.writeUInt32LE(id, 4);
    return bytes;
  }
}
