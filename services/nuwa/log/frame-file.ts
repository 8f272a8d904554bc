import { LogDamage } from './damage.ts';
import type { FileSystem, OpenFile } from './file-system.ts';
import { writeAll } from './files.ts';
import { FILE_HEADER_BYTES, FRAME_HEADER_BYTES, fileHeader, frameOf, payloadAt, payloadBytesAt, saltOf } from './frame.ts';

/** Read at once: small frames share a read, and the event loop is free between reads. */
const READ_BYTES = 256 * 1024;
/**
 * A file is synced whenever this much of it was written. One sync of it all at the end would put hundreds of megabytes before the log's own
 * syncs on the same disk, each of which would wait for all of them.
 */
const SYNC_BYTES = 4 * 1024 * 1024;

/**
 * The frames of a whole file, one after the other; the next part is read while the last is looked at. For files that nobody writes any more.
 * Zeros that a segment was filled with ahead of its end are its end, too.
 */
export class FrameFileReader {
  readonly path: string;
  readonly fileBytes: number;
  readonly #file: OpenFile;
  readonly #salt: Buffer;
  /** Read and not looked at yet. */
  #part: Buffer = NOTHING;
  #ahead: Promise<Buffer> | undefined;
  #readOffset = FILE_HEADER_BYTES;
  #offset = FILE_HEADER_BYTES;
  readonly #zerosEnd: boolean;

  /** `zerosEnd`: zeros from a frame's end up to that of the file are no damage. Throws LogDamage where it is no file of this kind. */
  static async open(files: FileSystem, path: string, kind: string, { zerosEnd = false } = {}): Promise<FrameFileReader> {
    const file = await files.open(path, 'r');
    try {
      const header = Buffer.alloc(FILE_HEADER_BYTES);
      await readAll(file, header, 0);
      const salt = saltOf(header, kind);
      if (!salt) throw new LogDamage(path, 'its header is damaged');
      return new FrameFileReader(path, file, (await file.stat()).size, salt, zerosEnd);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  private constructor(path: string, file: OpenFile, fileBytes: number, salt: Buffer, zerosEnd: boolean) {
    this.path = path;
    this.#file = file;
    this.fileBytes = fileBytes;
    this.#salt = salt;
    this.#zerosEnd = zerosEnd;
  }

  /** Where the next frame begins. */
  get offset(): number {
    return this.#offset;
  }

  /** The payload of the next frame, a view of what was read; undefined at the end of the file. Throws LogDamage where no whole frame is. */
  async next(): Promise<Buffer | undefined> {
    const left = this.fileBytes - this.#offset;
    if (left === 0) return undefined;
    await this.#fill(Math.min(left, FRAME_HEADER_BYTES));
    // No frame begins with a zero.
    if (this.#zerosEnd && this.#part[0] === 0) return await this.#skipZeros();
    if (left < FRAME_HEADER_BYTES) throw this.damage('it breaks off');
    const payloadBytes = payloadBytesAt(this.#part, 0);
    if (payloadBytes === undefined) throw this.damage('it is damaged');
    const frameBytes = FRAME_HEADER_BYTES + payloadBytes;
    if (left < frameBytes) throw this.damage('it breaks off');
    await this.#fill(frameBytes);
    const payload = payloadAt(this.#part, 0, this.#salt);
    if (!payload) throw this.damage('it is damaged');
    this.#part = this.#part.subarray(frameBytes);
    this.#offset += frameBytes;
    return payload;
  }

  /** What is wrong, with the place of it: by itself, that of the next frame. */
  damage(what: string, offset = this.#offset): LogDamage {
    return new LogDamage(this.path, `${what} at byte ${offset}`);
  }

  async close(): Promise<void> {
    await this.#ahead?.catch(() => {});
    await this.#file.close();
  }

  /** Up to the end of the file. */
  async #skipZeros(): Promise<undefined> {
    const from = this.#offset;
    while (this.#offset < this.fileBytes) {
      await this.#fill(1);
      if (!this.#part.every((byte) => byte === 0)) throw this.damage('it is damaged', from);
      this.#offset += this.#part.length;
      this.#part = NOTHING;
    }
  }

  async #fill(bytes: number): Promise<void> {
    while (this.#part.length < bytes) {
      const more = await (this.#ahead ?? this.#read(bytes - this.#part.length));
      this.#ahead = this.#readOffset < this.fileBytes ? this.#read(0) : undefined;
      this.#ahead?.catch(() => {}); // whoever comes for it hears of it
      this.#part = this.#part.length === 0 ? more : Buffer.concat([this.#part, more]);
    }
  }

  async #read(bytesMin: number): Promise<Buffer> {
    const part = Buffer.allocUnsafe(Math.min(Math.max(READ_BYTES, bytesMin), this.fileBytes - this.#readOffset));
    const from = this.#readOffset;
    this.#readOffset += part.length;
    if ((await readAll(this.#file, part, from)) < part.length)
      throw new LogDamage(this.path, `it was cut off below byte ${this.fileBytes}`);
    return part;
  }
}

/** Writes frames one after the other into a new file. */
export class FrameFileWriter {
  readonly #file: OpenFile;
  readonly #salt: Uint8Array;
  #position = 0;
  #syncedPosition = 0;

  static async begin(file: OpenFile, kind: string, salt: Uint8Array): Promise<FrameFileWriter> {
    const writer = new FrameFileWriter(file, salt);
    await writer.#write(fileHeader(kind, salt));
    return writer;
  }

  private constructor(file: OpenFile, salt: Uint8Array) {
    this.#file = file;
    this.#salt = salt;
  }

  async write(payload: Uint8Array): Promise<void> {
    await this.#write(frameOf(payload, this.#salt));
    if (this.#position - this.#syncedPosition < SYNC_BYTES) return;
    await this.#file.datasync();
    this.#syncedPosition = this.#position;
  }

  async #write(bytes: Buffer): Promise<void> {
    this.#position = await writeAll(this.#file, bytes, this.#position);
  }
}

const NOTHING = Buffer.alloc(0);

/** @returns how much there was. */
async function readAll(file: OpenFile, into: Buffer, position: number): Promise<number> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await file.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}
