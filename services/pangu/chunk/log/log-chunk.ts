import { ChunkError } from '../../chunk-contract.ts';
import { crcsOf } from '../../core/blocks.ts';
import { encodeFrame, type LogCall } from '../../core/log-frame.ts';
import { crc } from '../../crc.ts';
import type { ChunkFile } from '../chunk-file.ts';

/**
 * A chunk of a log that grows here, on its primary or beside it. It grows in this process or not at all: after a restart nobody knows any more which of the last records were
 * acknowledged, so the chunk is sealed, and its writers go on in another.
 */
export class LogChunk {
  readonly file: ChunkFile;
  #marks = new Map<string, { sequence: number; offset: number }>();

  /** Errors: Sealed (the chunk has grown in another life). */
  constructor(file: ChunkFile) {
    if (file.length > 0 || file.sealed)
      throw new ChunkError('Sealed', `chunk ${file.chunk} of a log grows no more here`, { details: { length: file.length } });
    this.file = file;
  }

  get length(): number {
    return this.file.length;
  }

  /** The last call of each writer that was begun; one that was refused would be at the chunk's end. */
  get marks(): ReadonlyMap<string, { sequence: number; offset: number }> {
    return this.#marks;
  }

  /** On disk when it resolves: bytes and frame are written at once, and one sync is for both. */
  async append(offset: number, bytes: Uint8Array, calls: readonly LogCall[], crcs?: readonly number[]): Promise<void> {
    const { file } = this;
    // Before anything is written: whoever seals the chunk from here on finds either these bytes and their marks, or neither.
    let at = offset;
    for (const { writer, sequence, length } of calls) {
      this.#marks.set(writer, { sequence, offset: at });
      at += length;
    }
    const frame = encodeFrame({ offset, length: bytes.length, dataCrc: crc(bytes), calls }, crc);
    // The first one makes the file's header and syncs its directory; a record of its length comes again only when it is sealed.
    const first = offset === 0;
    if (first) await file.log.add(frame);
    const written = file.append(offset, bytes, crcs ?? crcsOf(bytes, offset, crc), first ? 'sync' : 'none', true);
    await (first ? written : Promise.all([written, file.log.add(frame)]));
    if (!first) await this.#sync();
  }

  async #sync(): Promise<void> {
    try {
      await this.file.log.sync();
    } catch (error) {
      this.file.lose(error as ChunkError);
      throw error;
    }
  }
}
