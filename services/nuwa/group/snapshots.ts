import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { KuafuClient } from '../../kuafu/contract.ts';
import { nuwaService } from '../contract.ts';
import type { ServerId, SnapshotMark } from '../core/raft/types.ts';
import type { LoadedSnapshot, Storage } from '../log/port.ts';
import type { Disk } from './disk.ts';

export interface SnapshotsOptions {
  storage: Storage;
  disk: Disk;
  clock: Clock;
  log: Logger;
  /** What is applied here. */
  appliedIndex: () => number;
  onMade: (mark: SnapshotMark) => void;
  /** The disk is held until whoever hears of it lets it go. */
  onFetched: (loaded: LoadedSnapshot) => void;
  onFetchFailed: () => void;
}

/** One that failed, for want of room mostly, is not tried again at once: what it took while it was tried is taken from the log. */
const RETRY_MS = 60_000;
const FETCH_TIMEOUT_MS = 60_000;
/** A leader offers its snapshot with every heartbeat. One that cannot be had, for want of room mostly, is asked for again after this, then twice this, … */
const REFETCH_MS_MIN = 250;
const REFETCH_MS_MAX = 60_000;

/** Makes this server's snapshots, one at a time, and fetches those of others when this server fell behind what they keep of the log. */
export class Snapshots {
  readonly #options: SnapshotsOptions;
  #making: Promise<SnapshotMark> | undefined;
  #fetching = false;
  #notBeforeMs = 0;
  /** How many could not be made since the last one that could. */
  failures = 0;
  /** How many could not be fetched since the last one that could. */
  fetchFailures = 0;
  #notMade: string | undefined;
  #notFetched: { from: ServerId; problem: string; notBeforeMs: number } | undefined;

  constructor(options: SnapshotsOptions) {
    this.#options = options;
  }

  /** For people: what does not go, and why. */
  get problems(): string[] {
    const problems: string[] = [];
    if (this.#notMade !== undefined) problems.push(`no snapshot could be made, ${this.failures} times: ${this.#notMade}`);
    if (this.#notFetched) {
      const { from, problem } = this.#notFetched;
      problems.push(`it lags, and the snapshot of ${from} could not be fetched, ${this.fetchFailures} times: ${problem}`);
    }
    return problems;
  }

  newest(): { index: number; term: number; bytes: number } {
    return this.#options.storage.newestSnapshot();
  }

  /** Undefined when that snapshot is gone. */
  read(index: number, offset: number, bytes: number): Promise<Buffer | undefined> {
    return this.#options.storage.readSnapshot(index, offset, bytes);
  }

  /** Called often; makes one when the log is long. */
  maybeMake(): void {
    const { storage, clock } = this.#options;
    if (!storage.wantsSnapshot || this.#making || this.#fetching || clock.monotonicMs() < this.#notBeforeMs) return;
    this.make().catch(() => {}); // it was logged
  }

  /** One of all that is applied now; another one that is under way is waited for first. */
  async make(): Promise<SnapshotMark> {
    const { storage, clock, log, appliedIndex, onMade } = this.#options;
    while (this.#making) await this.#making.catch(() => {});
    const index = appliedIndex();
    const startMs = clock.monotonicMs();
    this.#making = storage.makeSnapshot(index);
    try {
      const mark = await this.#making;
      this.failures = 0;
      this.#notMade = undefined;
      log.info({ index, tookMs: Math.round(clock.monotonicMs() - startMs) }, 'nuwa.snapshot.made');
      onMade(mark);
      return mark;
    } catch (error) {
      this.#notBeforeMs = clock.monotonicMs() + RETRY_MS;
      this.failures++;
      this.#notMade = messageOf(error);
      log.error({ err: error, index, failures: this.failures, logBytes: storage.logBytes }, 'nuwa.snapshot.failed');
      throw error;
    } finally {
      this.#making = undefined;
    }
  }

  /** Asked again while it is needed. */
  fetch(from: ServerId, address: string | undefined, index: number, kuafu: KuafuClient): void {
    if (this.#fetching) return;
    const { clock, log, onFetchFailed } = this.#options;
    // Not now; meanwhile another leader may have the entries themselves.
    if (this.#notFetched?.from === from && clock.monotonicMs() < this.#notFetched.notBeforeMs) return onFetchFailed();
    this.#fetching = true;
    this.#fetch(from, address, index, kuafu)
      .then(() => {
        this.fetchFailures = 0;
        this.#notFetched = undefined;
      })
      .catch((error: unknown) => {
        const againMs = Math.min(REFETCH_MS_MAX, REFETCH_MS_MIN * 2 ** Math.min(this.fetchFailures++, 16));
        const problem = messageOf(error);
        this.#notFetched = { from, problem, notBeforeMs: clock.monotonicMs() + againMs };
        log.warn({ from, index, problem, failures: this.fetchFailures, againMs }, 'nuwa.snapshot.fetch-failed');
        onFetchFailed();
      })
      .finally(() => {
        this.#fetching = false;
      });
  }

  async #fetch(from: ServerId, address: string | undefined, wanted: number, kuafu: KuafuClient): Promise<void> {
    const { storage, disk, clock, log, onFetched } = this.#options;
    if (address === undefined) throw new Error(`where ${from} answers is not known`);
    const startMs = clock.monotonicMs();
    const peer = kuafu.service(nuwaService, address);
    let { index, bytes } = await peer.snapshot({}, { timeoutMs: FETCH_TIMEOUT_MS });
    if (index < wanted) ({ index, bytes } = await peer.snapshot({ fresh: true }, { timeoutMs: FETCH_TIMEOUT_MS }));
    if (index < wanted) throw new Error(`${from} has a snapshot up to ${index}, ${wanted} is needed`);
    log.info({ from, index, bytes }, 'nuwa.snapshot.fetching');
    await this.#making?.catch(() => {});
    // No entries come meanwhile; terms and votes wait for the log that they will stand in.
    await disk.hold();
    try {
      const read = async (offset: number, length: number): Promise<Buffer> =>
        (await peer.readSnapshot({ index, offset, bytes: length }, { timeoutMs: FETCH_TIMEOUT_MS })).attachment;
      const loaded = await storage.installSnapshot(index, bytes, read);
      log.info({ from, index, bytes, tookMs: Math.round(clock.monotonicMs() - startMs) }, 'nuwa.snapshot.fetched');
      onFetched(loaded);
    } catch (error) {
      disk.release();
      throw error;
    }
  }
}
