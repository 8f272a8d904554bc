import type { ServiceClient } from '../../../kuafu/contract.ts';
import { ChunkError, type ChunkServerContract, type LogMark } from '../../chunk-contract.ts';
import { marksOf } from '../../core/log-frame.ts';
import type { ChunkFile } from '../chunk-file.ts';
import type { ChunkStore } from '../chunk-store.ts';
import { LogChunk } from './log-chunk.ts';
import { LogPrimary } from './log-primary.ts';

interface Open {
  readonly chunk: LogChunk;
  primary: LogPrimary | undefined;
  /** Lets go of the chunk's file. */
  readonly release: () => void;
}

/** The chunks of logs that grow on this server. Each is held open until it is sealed. */
export class Logs {
  readonly #store: ChunkStore;
  readonly #chunkServerAt: (address: string) => ServiceClient<ChunkServerContract>;
  readonly #open = new Map<string, Promise<Open>>();

  constructor(store: ChunkStore, chunkServerAt: (address: string) => ServiceClient<ChunkServerContract>) {
    this.#store = store;
    this.#chunkServerAt = chunkServerAt;
  }

  /** `make`: also when nothing is here of it. Errors: Sealed, Draining, NoSpace, DiskFailed. */
  async use(chunk: string, capacityBytes: number, make: boolean): Promise<LogChunk> {
    return (await this.#find(chunk, capacityBytes, make)).chunk;
  }

  async lead(
    chunk: string,
    capacityBytes: number,
    make: boolean,
    others: readonly { node: string; address: string }[],
  ): Promise<LogPrimary> {
    const open = await this.#find(chunk, capacityBytes, make);
    open.primary ??= new LogPrimary(
      open.chunk,
      others.map(({ node, address }) => ({ node, server: this.#chunkServerAt(address) })),
    );
    return open.primary;
  }

  /** Of a chunk that this server leads. */
  async acknowledgedLength(chunk: string): Promise<number | undefined> {
    return (await this.#open.get(chunk)?.catch(() => undefined))?.primary?.acknowledgedLength;
  }

  /** What records a chunk that was just sealed has; undefined for one that is no log's. */
  async marks(file: ChunkFile): Promise<LogMark[] | undefined> {
    const open = await this.#open.get(file.chunk)?.catch(() => undefined);
    if (open?.chunk.file === file) {
      const marks = [...open.chunk.marks].map(([writer, mark]) => ({ writer, ...mark }));
      return marks.filter(({ offset }) => offset < file.length);
    }
    if (!(await file.log.isThere())) return undefined;
    return marksOf(await file.log.read(), file.length);
  }

  async release(chunk: string): Promise<void> {
    const open = this.#open.get(chunk);
    this.#open.delete(chunk);
    await open?.then(
      ({ release }) => release(),
      () => {},
    );
  }

  #find(chunk: string, capacityBytes: number, make: boolean): Promise<Open> {
    let open = this.#open.get(chunk);
    if (!open) {
      open = this.#begin(chunk, capacityBytes, make);
      this.#open.set(chunk, open);
      open.catch(() => {
        if (this.#open.get(chunk) === open) this.#open.delete(chunk);
      });
    }
    return open;
  }

  #begin(chunk: string, capacityBytes: number, make: boolean): Promise<Open> {
    return new Promise((resolve, reject) => {
      const hold = (file: ChunkFile): Promise<void> =>
        new Promise((release, refuse) => {
          try {
            resolve({ chunk: new LogChunk(file), primary: undefined, release });
          } catch (error) {
            refuse(error);
          }
        });
      const held = make ? this.#store.useOrCreate(chunk, capacityBytes, true, hold) : this.#store.use(chunk, hold);
      held.catch((error) => {
        const draining = !make && error instanceof ChunkError && error.code === 'NoChunk';
        reject(draining ? new ChunkError('Draining', 'this server is about to leave and takes no new chunks', { cause: error }) : error);
      });
    });
  }
}
