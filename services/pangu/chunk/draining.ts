import { access, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DirectorySync } from './directory-sync.ts';

/** There while the server is about to leave; empty. */
const MARKER = 'draining';

/**
 * Whether this server is about to leave. A file beside the chunks says so, since everything else forgets: the registration goes with the process,
 * and masters know only what is registered.
 *
 * While it is on, no chunk is made here. From then on the chunks of this server only become fewer, so whoever drains it comes to an end.
 */
export class Draining {
  readonly #dataDir: string;
  #on: boolean;

  private constructor(dataDir: string, on: boolean) {
    this.#dataDir = dataDir;
    this.#on = on;
  }

  static async open(dataDir: string): Promise<Draining> {
    const on = await access(join(dataDir, MARKER)).then(
      () => true,
      () => false,
    );
    return new Draining(dataDir, on);
  }

  get on(): boolean {
    return this.#on;
  }

  /** On at once, before it is written down; off only when the file is gone. */
  async set(on: boolean): Promise<void> {
    if (on) this.#on = true;
    const path = join(this.#dataDir, MARKER);
    if (on) await (await open(path, 'w')).close();
    else await rm(path, { force: true });
    const directory = new DirectorySync(this.#dataDir);
    await directory.sync().finally(() => directory.close());
    this.#on = on;
  }
}
