import { join } from 'node:path';
import type { FileSystem } from './file-system.ts';
import { reachedFile, syncDir } from './files.ts';

/**
 * The newest segment that a log ever had, in the name of an empty file. A log whose end was taken away looks whole, and starting from it would be forgetting
 * votes and entries. Written once the segment itself is there to stay, so it never says more than there was.
 */
export class Reached {
  readonly #dir: string;
  readonly #files: FileSystem;
  #segment: number;

  constructor(dir: string, segment: number, files: FileSystem) {
    this.#dir = dir;
    this.#segment = segment;
    this.#files = files;
  }

  async note(segment: number): Promise<void> {
    const before = this.#segment;
    if (segment === before) return;
    const file = await this.#files.open(join(this.#dir, reachedFile(segment)), 'w', 0o600);
    await file.close();
    await syncDir(this.#dir, this.#files);
    this.#segment = segment;
    if (before > 0) await this.#files.remove(join(this.#dir, reachedFile(before))); // should it come back, it says less
  }
}
