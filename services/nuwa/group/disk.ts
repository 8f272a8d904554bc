import type { Clock } from '../../base/clock.ts';
import type { DiskWrite } from '../core/raft/types.ts';
import type { Storage } from '../log/port.ts';

export interface DiskOptions {
  storage: Storage;
  clock: Clock;
  /** All writes up to this one are on the disk; `tookMs`: what the last of them took together. */
  onWritten: (seq: number, tookMs: number) => void;
  /** A write failed. Nothing is written any more: see Storage. */
  onFailed: (error: unknown) => void;
}

/**
 * Writes in their order. While the disk syncs, what comes gathers, and goes to it together by one sync: the busier the server, the more
 * changes share one (group commit).
 */
export class Disk {
  readonly #options: DiskOptions;
  #waiting: DiskWrite[] = [];
  #busy = false;
  #failed = false;
  #issuedSeq = 0;
  #writtenSeq = 0;
  #onIdle: (() => void)[] = [];

  constructor(options: DiskOptions) {
    this.#options = options;
  }

  /** Of the last write that was handed over, and of the last one that is on the disk. */
  get issuedSeq(): number {
    return this.#issuedSeq;
  }

  get writtenSeq(): number {
    return this.#writtenSeq;
  }

  write(write: DiskWrite): void {
    this.#waiting.push(write);
    this.#issuedSeq = write.seq;
  }

  /** Called at the end of a turn, so that all of its writes go together. */
  flush(): void {
    if (this.#busy || this.#failed || this.#waiting.length === 0) return;
    const writes = this.#waiting;
    this.#waiting = [];
    this.#busy = true;
    const { storage, clock, onWritten } = this.#options;
    const startMs = clock.monotonicMs();
    storage.write(writes).then(
      () => {
        this.#end();
        this.#writtenSeq = writes.at(-1)!.seq;
        onWritten(this.#writtenSeq, clock.monotonicMs() - startMs);
        this.flush();
      },
      (error: unknown) => {
        this.#failed = true;
        this.#end();
        this.#options.onFailed(error);
      },
    );
  }

  /** Resolves when all that was handed over is written; nothing more is until `release`. */
  async hold(): Promise<void> {
    while (this.#busy || (this.#waiting.length > 0 && !this.#failed)) {
      this.flush();
      await new Promise<void>((resolve) => this.#onIdle.push(resolve));
    }
    this.#busy = true;
  }

  release(): void {
    this.#end();
    this.flush();
  }

  #end(): void {
    this.#busy = false;
    const waiting = this.#onIdle;
    this.#onIdle = [];
    for (const wake of waiting) wake();
  }
}
