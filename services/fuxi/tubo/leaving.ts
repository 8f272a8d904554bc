import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** There once this node was told to leave the cluster; empty. */
const MARKER = 'leaving';

/**
 * Whether this node leaves the cluster for good. A file says so, as Tubo may be killed and started again on the way: then it must not come back
 * and be given work. There is no way back but an empty directory.
 */
export class Leaving {
  readonly #path: string;
  #on: boolean;

  private constructor(path: string, on: boolean) {
    this.#path = path;
    this.#on = on;
  }

  static async open(dataDir: string): Promise<Leaving> {
    const path = join(dataDir, MARKER);
    const on = await access(path).then(
      () => true,
      () => false,
    );
    return new Leaving(path, on);
  }

  get on(): boolean {
    return this.#on;
  }

  async begin(): Promise<void> {
    await writeFile(this.#path, '', { flush: true });
    this.#on = true;
  }
}
