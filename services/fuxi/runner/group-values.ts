import { FuxiError } from '../contract.ts';
import type { Groups } from '../core/groups.ts';
import type { Values } from '../sdk.ts';

/** The values of the group's present key, as a program sees them. One object for all keys. */
export class GroupValues implements Values, Iterator<Buffer> {
  readonly #groups: Groups;

  constructor(groups: Groups) {
    this.#groups = groups;
  }

  [Symbol.iterator](): Iterator<Buffer> {
    return this;
  }

  next(): IteratorResult<Buffer> {
    const groups = this.#groups;
    if (!groups.nextValue()) return { done: true, value: undefined };
    return { done: false, value: view(groups.value, groups.valueStart, groups.valueEnd) };
  }

  sum(): number {
    const sum = this.#groups.sum();
    if (Number.isSafeInteger(sum)) return sum;
    throw new FuxiError('ProgramFailed', 'values.sum() takes whole numbers whose sum is below 2^53, and there was something else');
  }
}

/** A range as a Buffer, without copying. */
export function view(bytes: Uint8Array, start: number, end: number): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
}
