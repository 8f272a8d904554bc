/**
 * Reads the ranges of one instance: the piece of each that belongs to it, block by block, in order (see core/records.ts for which piece).
 *
 * Two kinds of read-ahead hide Pangu's latency. Within a range two blocks are asked for at a time. Across ranges the first blocks of those that come
 * next are on their way while this one is worked on, which is what an instance of a thousand small files lives on.
 */
import { messageOf } from '../../base/errors.ts';
import type { PanguClient, PanguFile } from '../../pangu/contract.ts';
import { FuxiError, type RecordFormat, type SplitsFile } from '../contract.ts';
import { type RangeTrimmer, trimFixed, trimLines } from '../core/records.ts';
import { inputFailure, storageFailure } from './failures.ts';

/** Large enough that a request costs little beside its bytes, small enough for the memory of a container. */
const BLOCK_BYTES = 2 << 20;
/** Asked for beyond a range's last byte, where its last line ends: nearly always enough, and at the end of a file it saves asking whether there is more. For a longer line it doubles, up to a block. */
const BEYOND_BYTES = 64 << 10;
const RANGES_AHEAD = 12;
const RANGES_AHEAD_BYTES = 8 << 20;

export interface Piece {
  block: Uint8Array;
  start: number;
  end: number;
  /** The first piece of a range. What was cut before belongs to another. */
  first: boolean;
}

interface OpenRange {
  path: string;
  file: PanguFile;
  trimmer: RangeTrimmer;
  /** Reads under way, oldest first, and where the next one begins. */
  reads: { asked: number; bytes: Promise<Buffer> }[];
  position: number;
  /** How much to ask for when only the end of the last line is missing. */
  beyondBytes: number;
}

export class FileInput {
  readonly #pangu: PanguClient;
  readonly #format: RecordFormat;
  #splits: { path: string; file: SplitsFile } | undefined;
  /** Sizes of files of fixed-length records, which are looked at once. */
  readonly #checked = new Set<string>();

  constructor(pangu: PanguClient, format: RecordFormat) {
    this.#pangu = pangu;
    this.#format = format;
  }

  async *pieces(splitsPath: string, instance: number): AsyncGenerator<Piece> {
    const { files, instances } = await this.#readSplits(splitsPath);
    const ranges = instances[instance];
    if (!ranges) throw new FuxiError('InputNotFound', `${splitsPath} has no instance ${instance}`);
    const opening: Promise<OpenRange>[] = [];
    let next = 0;
    let bytesAhead = 0;
    const lookAhead = (): void => {
      while (next < ranges.length && opening.length < RANGES_AHEAD && (opening.length === 0 || bytesAhead < RANGES_AHEAD_BYTES)) {
        const [file, offset, length] = ranges[next++]!;
        bytesAhead += Math.min(length, BLOCK_BYTES);
        const open = this.#open(files[file]!, offset, length);
        open.catch(() => {});
        opening.push(open);
      }
    };
    try {
      for (let i = 0; i < ranges.length; i++) {
        lookAhead();
        const range = await opening.shift()!;
        bytesAhead -= Math.min(ranges[i]![2], BLOCK_BYTES);
        lookAhead();
        try {
          yield* this.#read(range);
        } finally {
          await close(range);
        }
      }
    } finally {
      for (const open of opening) void open.then(close, () => {});
    }
  }

  async #readSplits(path: string): Promise<SplitsFile> {
    if (this.#splits?.path !== path) {
      try {
        this.#splits = { path, file: JSON.parse((await this.#pangu.readFile(path)).toString('utf8')) };
      } catch (error) {
        throw storageFailure(error, `read the plan of splits ${path}`);
      }
    }
    return this.#splits!.file;
  }

  async #open(path: string, offset: number, length: number): Promise<OpenRange> {
    try {
      const trimmer = this.#format.kind === 'lines' ? trimLines(offset, length) : trimFixed(offset, length, this.#format.bytes);
      if (this.#format.kind === 'fixed') await this.#checkLength(path, this.#format.bytes);
      const range: OpenRange = {
        path,
        file: await this.#pangu.open(path, 'r'),
        trimmer,
        reads: [],
        position: trimmer.position,
        beyondBytes: BEYOND_BYTES,
      };
      if (!trimmer.done) ask(range);
      return range;
    } catch (error) {
      throw inputFailure(error, path);
    }
  }

  async #checkLength(path: string, recordBytes: number): Promise<void> {
    if (this.#checked.has(path)) return;
    const { size } = await this.#pangu.stat(path);
    if (size % recordBytes !== 0)
      throw new FuxiError('InputCorrupt', `${path} has ${size} bytes, which is no multiple of ${recordBytes}, the length of a record`);
    this.#checked.add(path);
  }

  async *#read(range: OpenRange): AsyncGenerator<Piece> {
    const { trimmer, reads, path } = range;
    let first = true;
    while (!trimmer.done) {
      while (reads.length === 0 || (reads.length < 2 && range.position < trimmer.certainEnd)) ask(range);
      const { asked, bytes } = reads.shift()!;
      let block: Buffer;
      try {
        block = await bytes;
      } catch (error) {
        throw inputFailure(error, path);
      }
      if (reads.length === 0 && range.position < trimmer.certainEnd && block.length === asked) ask(range);
      const { start, end } = trimmer.feed(block);
      if (start < end) {
        yield { block, start, end, first };
        first = false;
      }
      if (block.length < asked) return; // the end of the file
    }
  }
}

function ask(range: OpenRange): void {
  const certain = range.trimmer.certainEnd - range.position;
  const asked = certain > 0 ? Math.min(BLOCK_BYTES, certain + BEYOND_BYTES) : range.beyondBytes;
  if (certain <= 0) range.beyondBytes = Math.min(BLOCK_BYTES, 2 * range.beyondBytes);
  const bytes = range.file.read(range.position, asked);
  bytes.catch(() => {});
  range.reads.push({ asked, bytes });
  range.position += asked;
}

async function close({ file, reads, path }: OpenRange): Promise<void> {
  await Promise.allSettled(reads.map(({ bytes }) => bytes));
  try {
    await file.close();
  } catch (error) {
    throw new FuxiError('StorageFailed', `could not close ${path}: ${messageOf(error)}`, { cause: error });
  }
}
