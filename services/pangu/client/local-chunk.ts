import { constants } from 'node:fs';
import { recycleAttachment, takeAttachmentBuffer } from '../../kuafu/client.ts';
import { closeFile, openFile, pread } from '../chunk/disk.ts';
import { ChunkError } from '../chunk-contract.ts';
import { BLOCK_BYTES } from '../contract.ts';
import { findBadBlock } from '../core/blocks.ts';
import { decodeIdent, fullBlocks, readableRecords, TABLE_OFFSET } from '../core/chunk-format.ts';
import { crc } from '../crc.ts';

/**
 * A sealed chunk's own file, read by whoever runs beside its server. What was sealed never changes, so the descriptor is all that is needed: it stays readable when
 * the chunk is deleted, or moves to another disk. The file says itself which chunk it is, and its blocks are checked as the server checks them.
 */
export class LocalChunk {
  readonly #chunk: string;
  readonly #fd: number;
  readonly #dataOffset: number;
  readonly #length: number;
  readonly #table: Uint32Array;
  readonly #tailCrc: number;
  #users = 0;
  #closed = false;

  private constructor(chunk: string, fd: number, dataOffset: number, length: number, table: Uint32Array, tailCrc: number) {
    this.#chunk = chunk;
    this.#fd = fd;
    this.#dataOffset = dataOffset;
    this.#length = length;
    this.#table = table;
    this.#tailCrc = tailCrc;
  }

  /** Errors: that it may not be read, or is not this chunk, sealed. */
  static async open(path: string, chunk: string, dataOffset: number): Promise<LocalChunk> {
    const fd = await openFile(path, constants.O_RDONLY);
    try {
      const header = Buffer.allocUnsafeSlow(dataOffset);
      const read = await pread(fd, header, 0);
      const ident = read === dataOffset ? decodeIdent(header, crc) : undefined;
      const records = ident?.chunk === chunk ? readableRecords(header, ident.capacityBytes, crc) : [];
      const [newest] = records;
      // While the record of a sync before the seal is there, its server has more to look at.
      if (!newest || records.some((record) => !record.sealed)) throw new ChunkError('BadChecksum', `${path} is not chunk ${chunk}, sealed`);
      const table = new Uint32Array(fullBlocks(newest.length));
      for (let block = 0; block < table.length; block++) table[block] = header.readUInt32LE(TABLE_OFFSET + block * 4);
      return new LocalChunk(chunk, fd, dataOffset, newest.length, table, newest.tailCrc);
    } catch (error) {
      closeFile(fd);
      throw error;
    }
  }

  /** Errors: BadRange, BadChecksum, DiskFailed. */
  async read(offset: number, length: number): Promise<Buffer> {
    if (this.#closed || offset + length > this.#length) throw new ChunkError('BadRange', `chunk ${this.#chunk} ends at ${this.#length}`);
    const from = offset - (offset % BLOCK_BYTES);
    const to = Math.min(Math.ceil((offset + length) / BLOCK_BYTES) * BLOCK_BYTES, this.#length);
    const bytes = takeAttachmentBuffer(to - from);
    this.#users++;
    let read: number;
    try {
      read = await pread(this.#fd, bytes, this.#dataOffset + from);
    } finally {
      this.#users--;
      if (this.#closed && this.#users === 0) closeFile(this.#fd);
    }
    const badAt = findBadBlock(bytes, read, from, (block) => (block === this.#table.length ? this.#tailCrc : this.#table[block]), crc);
    if (badAt !== undefined) throw new ChunkError('BadChecksum', `chunk ${this.#chunk} is damaged on disk`, { details: { offset: badAt } });
    if (length === bytes.length) return bytes;
    const piece = Buffer.from(bytes.subarray(offset - from, offset - from + length));
    recycleAttachment(bytes);
    return piece;
  }

  /** Reads under way end first. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#users === 0) closeFile(this.#fd);
  }
}
