/**
 * Keys, each with a time at which something is to happen, where most deadlines move away before they come: a session is heard of, a node
 * is set. So a deadline that moves away costs nothing here. A key is filed in the bucket of a time no later than its deadline; when that
 * time comes it is looked at, and filed anew where its deadline moved. Each key is so looked at about once per lifetime of a deadline,
 * whatever happens to it in between, and nothing is ever scanned whole.
 *
 * Invariant: a key is in one bucket, that of `#bucketOf`, whose time is at or before the key's deadline. The heap holds each bucket once.
 */
export class Deadlines<Key> {
  readonly #widthMs: number;
  readonly #bucketOf = new Map<Key, number>();
  readonly #buckets = new Map<number, Set<Key>>();
  /** A binary heap, the earliest bucket first. */
  readonly #heap: number[] = [];

  /** `widthMs`: how much one bucket spans; fewer buckets, more keys looked at a little early. */
  constructor(widthMs: number) {
    this.#widthMs = widthMs;
  }

  get size(): number {
    return this.#bucketOf.size;
  }

  has(key: Key): boolean {
    return this.#bucketOf.has(key);
  }

  /** Files a key, or files it earlier. One that moves away needs no telling. */
  file(key: Key, deadlineMs: number): void {
    const bucket = Math.floor(deadlineMs / this.#widthMs);
    const before = this.#bucketOf.get(key);
    if (before !== undefined) {
      if (before <= bucket) return;
      this.drop(key);
    }
    this.#bucketOf.set(key, bucket);
    const keys = this.#buckets.get(bucket);
    if (keys) {
      keys.add(key);
      return;
    }
    this.#buckets.set(bucket, new Set([key]));
    push(this.#heap, bucket);
  }

  drop(key: Key): void {
    const bucket = this.#bucketOf.get(key);
    if (bucket === undefined) return;
    this.#bucketOf.delete(key);
    this.#buckets.get(bucket)!.delete(key); // an empty bucket goes when its time comes
  }

  /** Keys whose deadline, as `deadlineMsOf` knows it now, is not after `nowMs`: at most `countMax`. They stay filed until they are dropped. */
  due(nowMs: number, deadlineMsOf: (key: Key) => number, countMax = Number.POSITIVE_INFINITY): Key[] {
    const due: Key[] = [];
    const moved: [Key, number][] = [];
    const last = Math.floor(nowMs / this.#widthMs);
    while (this.#heap.length > 0 && this.#heap[0]! <= last && due.length < countMax) {
      const bucket = pop(this.#heap);
      const keys = this.#buckets.get(bucket)!;
      this.#buckets.delete(bucket);
      for (const key of keys) {
        const deadlineMs = due.length < countMax ? deadlineMsOf(key) : bucket * this.#widthMs;
        if (due.length < countMax && deadlineMs <= nowMs) due.push(key);
        this.#bucketOf.delete(key);
        moved.push([key, deadlineMs]);
      }
    }
    for (const [key, deadlineMs] of moved) this.file(key, deadlineMs);
    return due;
  }
}

function push(heap: number[], value: number): void {
  let at = heap.length;
  heap.push(value);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (heap[parent]! <= value) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = value;
}

function pop(heap: number[]): number {
  const first = heap[0]!;
  const last = heap.pop()!;
  if (heap.length === 0) return first;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++;
    if (heap[child]! >= last) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
  return first;
}
