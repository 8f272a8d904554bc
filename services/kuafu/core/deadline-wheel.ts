/**
 * Many deadlines, one alarm. Nearly every deadline is removed before it is reached, so adding and removing must cost next to
 * nothing: deadlines fall into slots of a few milliseconds, a slot is a set, and only the rare alarm looks at the slots.
 *
 * Invariants: 1. an item is in the slot of its own `atMs`, rounded up, so it is due up to `SLOT_MS` late and never early;
 * 2. `nextAtMs` is at most the time of the earliest item (it may be earlier, where that item was removed).
 */
const SLOT_MS = 8;
/** No deadline, as the milliseconds that are left (8,900 years): finite, so that everybody can reckon with it. Items so far away are not kept. */
export const NO_DEADLINE_MS = 2 ** 48;

export interface Due {
  /** On the monotonic clock; must not change while the item is in the wheel. */
  readonly atMs: number;
}

export class DeadlineWheel<Item extends Due> {
  readonly #slots = new Map<number, Set<Item>>();
  #nextSlot = Number.POSITIVE_INFINITY;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get nextAtMs(): number {
    return this.#nextSlot * SLOT_MS;
  }

  add(item: Item): void {
    if (item.atMs > NO_DEADLINE_MS / 2) return;
    const slot = slotOf(item);
    const items = this.#slots.get(slot);
    if (items) items.add(item);
    else this.#slots.set(slot, new Set([item]));
    if (slot < this.#nextSlot) this.#nextSlot = slot;
    this.#size++;
  }

  remove(item: Item): void {
    if (this.#slots.get(slotOf(item))?.delete(item)) this.#size--;
  }

  /** Takes out what is due, earliest slot first. */
  takeDue(nowMs: number): Item[] {
    const dueSlots: number[] = [];
    this.#nextSlot = Number.POSITIVE_INFINITY;
    for (const [slot, items] of this.#slots) {
      if (slot * SLOT_MS <= nowMs) dueSlots.push(slot);
      else if (items.size === 0) this.#slots.delete(slot);
      else if (slot < this.#nextSlot) this.#nextSlot = slot;
    }
    const due: Item[] = [];
    for (const slot of dueSlots.sort((a, b) => a - b)) {
      due.push(...this.#slots.get(slot)!);
      this.#slots.delete(slot);
    }
    this.#size -= due.length;
    return due;
  }
}

function slotOf(item: Due): number {
  return Math.ceil(item.atMs / SLOT_MS);
}
