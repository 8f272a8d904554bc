/**
 * One direction of a stream: messages 0, 1, 2, … and then the end, which says how many there were. Connections keep the order of what they
 * carry, but the in-memory network loses, doubles and reorders on purpose, and so may what another language makes of a connection; the numbers tell:
 *
 *   next   the one that is due
 *   again  one that was here before: to be dropped
 *   gap    one after it: some are lost, so the stream cannot go on
 *   late   beyond the end: the peer breaks the protocol
 *
 * Numbers are modulo 65536 and the distance to the due one is taken as the shorter way round: windows never hold more than 32,768 messages
 * (each costs at least 128 bytes of at most 4 MiB).
 */
export type Place = 'next' | 'again' | 'gap' | 'late';

export const NUMBERS = 0x1_0000;

export class MessageOrder {
  #due = 0;
  #ended = false;

  get ended(): boolean {
    return this.#ended;
  }

  stepData(number: number): Place {
    const place = this.#place(number);
    if (place !== 'next') return place;
    this.#due = (this.#due + 1) % NUMBERS;
    return place;
  }

  /** `number`: of the messages that there were. */
  stepEnd(number: number): Place {
    const place = this.#place(number);
    if (this.#ended) return number === this.#due ? 'again' : 'late';
    // An end that counts fewer than came.
    if (place === 'again') return 'late';
    if (place === 'next') this.#ended = true;
    return place;
  }

  #place(number: number): Place {
    const ahead = (number - this.#due + NUMBERS) % NUMBERS;
    if (ahead >= NUMBERS / 2) return 'again';
    if (this.#ended) return 'late';
    return ahead === 0 ? 'next' : 'gap';
  }
}
