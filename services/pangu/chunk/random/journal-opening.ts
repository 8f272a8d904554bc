import { ChunkError } from '../../chunk-contract.ts';
import type { Journal } from './journal.ts';

/**
 * The journal of a random store, opened when it is first needed. One that could not be opened for a reason that passes, as a full disk does, is opened anew by
 * whoever asks next; one that is damaged stays so: what is on the disk is for those who want to look at it.
 */
export class JournalOpening {
  readonly #open: () => Promise<Journal>;
  #journal: Promise<Journal> | undefined;
  #again = false;

  constructor(open: () => Promise<Journal>) {
    this.#open = open;
  }

  /** It is there, or is to be. */
  get isWanted(): boolean {
    return this.#journal !== undefined;
  }

  begin(): Promise<Journal> {
    if (this.#journal && !this.#again) return this.#journal;
    this.#again = false;
    const opening = this.#open();
    opening.catch((error: unknown) => {
      this.#again = !(error instanceof ChunkError && error.code === 'BadChecksum');
    });
    this.#journal = opening;
    return opening;
  }

  /** Of the one that is open; 0 while there is none. */
  async usedBytes(): Promise<number> {
    return this.#journal ? this.#journal.then(({ usedBytes }) => usedBytes).catch(() => 0) : 0;
  }

  /** Errors: NoChunk (there is none, and so no chunk), and why it could not be opened. */
  get(): Promise<Journal> {
    if (this.#journal) return this.begin();
    return Promise.reject(new ChunkError('NoChunk', 'no chunk of a random file is here'));
  }
}
