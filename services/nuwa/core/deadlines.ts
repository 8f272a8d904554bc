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

  /**
   * Keys whose deadline, as `deadlineMsOf` knows it now, is not after `nowMs`. They stay filed until they are dropped. With bounds, the rest
   * comes at later calls.
   */
  due(nowMs: number, deadlineMsOf: (key: Key) => number, bounds: DueBounds = NO_BOUNDS): Key[] {
    const due: Key[] = [];
    const moved: [Key, number][] = [];
    const visited: number[] = [];
    const last = Math.floor(nowMs / this.#widthMs);
    const full = (): boolean => due.length >= bounds.dueMax || due.length + moved.length >= bounds.looksMax;
    while (this.#heap.length > 0 && this.#heap[0]! <= last && !full()) {
      const bucket = pop(this.#heap);
      visited.push(bucket);
      for (const key of this.#buckets.get(bucket)!) {
        if (full()) break;
        const deadlineMs = deadlineMsOf(key);
        if (deadlineMs <= nowMs) due.push(key);
        else moved.push([key, deadlineMs]);
      }
    }
    for (const [key] of moved) this.drop(key);
    for (const bucket of visited) {
      if (this.#buckets.get(bucket)!.size > 0) push(this.#heap, bucket);
      else this.#buckets.delete(bucket);
    }
    for (const [key, deadlineMs] of moved) this.file(key, deadlineMs);
    return due;
  }
}

/** Of one call: how many keys are due at most, and how many are looked at. */
export interface DueBounds {
  dueMax: number;
  looksMax: number;
}

const NO_BOUNDS: DueBounds = { dueMax: Number.POSITIVE_INFINITY, looksMax: Number.POSITIVE_INFINITY };

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
