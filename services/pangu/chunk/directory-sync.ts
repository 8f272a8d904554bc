import { constants } from 'node:fs';
import { type DiskCalls, nodeDisk } from './disk.ts';

/**
 * A new file is on disk only when its directory is. Many chunks are made at the same moment, so their syncs are shared: callers that come
 * while one is under way wait for the next one together, since the one under way may have begun before their file was there.
 */
export class DirectorySync {
  readonly #path: string;
  readonly #disk: DiskCalls;
  #fd: Promise<number> | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(path: string, disk: DiskCalls = nodeDisk) {
    this.#path = path;
    this.#disk = disk;
  }

  sync(): Promise<void> {
    if (!this.#running) return this.#start();
    this.#next ??= this.#running.then(
      () => this.#start(),
      () => this.#start(),
    );
    return this.#next;
  }

  #start(): Promise<void> {
    this.#next = undefined;
    const run = this.#fsync().finally(() => {
      if (this.#running === run) this.#running = undefined;
    });
    this.#running = run;
    return run;
  }

  close(): void {
    this.#fd?.then(this.#disk.closeFile, () => {});
    this.#fd = undefined;
  }

  async #fsync(): Promise<void> {
    this.#fd ??= this.#disk.openFile(this.#path, constants.O_RDONLY);
    await this.#disk.fsync(await this.#fd);
  }
}
