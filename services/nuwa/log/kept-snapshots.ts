import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { FileSystem } from './file-system.ts';
import { type SnapshotName, snapshotFile } from './files.ts';

/** Who began to read a snapshot has this long to end. */
const KEPT_MS = 60_000;

export interface KeptOptions {
  dir: string;
  files: FileSystem;
  clock: Clock;
  log: Logger;
  /** Aborts when the files are closed: what is kept then goes at the next start. */
  closing: AbortSignal;
}

/**
 * Snapshots that a newer one has replaced. One that nobody reads goes at once: it may be as large as the tree, and the next one may be long in
 * coming. One that somebody reads, a server that catches up or a backup, stays for a minute more.
 */
export class KeptSnapshots {
  readonly #options: KeptOptions;
  readonly #kept = new Set<SnapshotName>();
  readonly #readAtMs = new Map<number, number>();

  constructor(options: KeptOptions) {
    this.#options = options;
  }

  find(index: number): SnapshotName | undefined {
    return [...this.#kept].find((name) => name.index === index);
  }

  /** Somebody reads this one, kept or the newest. */
  noteRead(index: number): void {
    this.#readAtMs.set(index, this.#options.clock.monotonicMs());
  }

  /** A newer one is durable. */
  async replaced(name: SnapshotName): Promise<void> {
    const { clock, closing } = this.#options;
    const nowMs = clock.monotonicMs();
    const read = nowMs - (this.#readAtMs.get(name.index) ?? Number.NEGATIVE_INFINITY) < KEPT_MS;
    if (!read) return await this.#remove(name);
    this.#kept.add(name);
    clock.sleep(KEPT_MS, closing, { ref: false }).then(
      () => this.#remove(name),
      () => {},
    );
  }

  async #remove(name: SnapshotName): Promise<void> {
    const { dir, files, log } = this.#options;
    this.#kept.delete(name);
    this.#readAtMs.delete(name.index);
    const file = snapshotFile(name);
    // What cannot be removed now is removed at the next start.
    await files.remove(join(dir, file)).catch((error: unknown) => log.warn({ err: error, file }, 'nuwa.log.not-removed'));
  }
}
