/** A request that waits for its turn. */
export interface Slot {
  ready: boolean;
  /** Looks at the tree when its turn comes; changes that were asked for after it must not be made before. */
  readonly isRead: boolean;
  /** Hands a change to the group. */
  submit?: (() => void) | undefined;
  /** Writes the answer. */
  answer: () => void;
  /** What it takes while it waits. */
  readonly bytes: number;
  /** When it came. */
  readonly atMs: number;
}

/** Answers that were given leave this many places before the list is moved down. */
const MOVE_DOWN_AT = 1_024;
const ANSWERED: Slot = { ready: true, isRead: false, answer: () => {}, bytes: 0, atMs: 0 };

/**
 * The requests of one connection, in their order. Answers leave in that order; changes are handed over in that order too, as many as there are before
 * the first read that is not answered.
 *
 * Invariant: slots before `#head` are answered; changes before `#submitted` were handed over.
 */
export class Turns {
  /** The client does not read: nothing is answered for now. */
  stalled = false;
  readonly #answered: (slot: Slot) => void;
  #slots: Slot[] = [];
  #head = 0;
  #submitted = 0;
  #heldBytes = 0;
  #ended = false;

  /** `answered` hears of each request when its answer was written. */
  constructor(answered: (slot: Slot) => void = () => {}) {
    this.#answered = answered;
  }

  /** Requests without an answer. */
  get outstanding(): number {
    return this.#slots.length - this.#head;
  }

  /** What they take. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  wait(from: Pick<Slot, 'isRead' | 'bytes' | 'atMs'>, answer: () => void = () => {}): Slot {
    // All alike and field by field: there may be a million in a second.
    const slot: Slot = { ready: false, isRead: from.isRead, submit: undefined, answer, bytes: from.bytes, atMs: from.atMs };
    this.#slots.push(slot);
    this.#heldBytes += slot.bytes;
    return slot;
  }

  /** Takes changes from here on to `submit` when it is their turn. */
  submitReady(): void {
    const slots = this.#slots;
    while (this.#submitted < slots.length && !this.#ended) {
      const slot = slots[this.#submitted]!;
      if (slot.isRead && this.#submitted >= this.#head) return;
      this.#submitted++;
      slot.submit?.();
    }
  }

  /** Whether the next answer can be given. */
  get anyReady(): boolean {
    return this.#head < this.#slots.length && this.#slots[this.#head]!.ready && !this.#ended && !this.stalled;
  }

  /** Answers what is ready and has nothing unanswered before it, as long as `goOn` says so. */
  answerReady(goOn: () => boolean = () => true): void {
    const slots = this.#slots;
    while (this.anyReady && goOn()) {
      const slot = slots[this.#head]!;
      // Until the list is moved down it would keep what was asked.
      slots[this.#head++] = ANSWERED;
      this.#heldBytes -= slot.bytes;
      slot.answer();
      this.#answered(slot);
    }
    if (this.#head === slots.length) {
      slots.length = 0;
      this.#head = this.#submitted = 0;
    } else if (this.#head > MOVE_DOWN_AT) {
      slots.splice(0, this.#head);
      this.#submitted = Math.max(0, this.#submitted - this.#head);
      this.#head = 0;
    }
    this.submitReady();
  }

  /** Nothing is answered any more. */
  end(): void {
    this.#ended = true;
    this.#slots = [];
    this.#head = this.#submitted = this.#heldBytes = 0;
  }
}
