import { decodeFrames, type LogFrame } from '../../core/log-frame.ts';
import { crc } from '../../crc.ts';
import type { DiskCalls } from '../disk.ts';

/** Where a chunk's file tells which records a log's bytes are: behind the room for data (core/log-frame.ts). Most chunks have nothing there. */
export class LogRegion {
  readonly #disk: DiskCalls;
  readonly #fd: number;
  readonly #offset: number;
  #end = 0;

  constructor(disk: DiskCalls, fd: number, offset: number) {
    this.#disk = disk;
    this.#fd = fd;
    this.#offset = offset;
  }

  async isThere(): Promise<boolean> {
    return (await this.#disk.fileBytes(this.#fd)) > this.#offset;
  }

  async read(): Promise<LogFrame[]> {
    const bytes = Buffer.alloc(Math.max(0, (await this.#disk.fileBytes(this.#fd)) - this.#offset));
    await this.#disk.pread(this.#fd, bytes, this.#offset);
    const { frames, bytes: end } = decodeFrames(bytes, crc);
    this.#end = end;
    return frames;
  }

  async add(frame: Uint8Array): Promise<void> {
    const at = this.#offset + this.#end;
    this.#end += frame.length;
    await this.#disk.pwrite(this.#fd, [frame], at);
  }

  /** Also what was written of the chunk's data: it is one file. */
  sync(): Promise<void> {
    return this.#disk.fdatasync(this.#fd);
  }

  /** Nobody will ask any more. */
  async drop(fileLength: number): Promise<void> {
    this.#end = 0;
    if (await this.isThere()) await this.#disk.ftruncate(this.#fd, fileLength);
  }
}
