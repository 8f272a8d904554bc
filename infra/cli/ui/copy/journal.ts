/**
 * A copy that was interrupted, by whatever, is made again with the same command, and what was finished is not sent again. The journal is how it knows: a line for
 * each file that is whole under its name, with a print of its source and one of the copy. Both are taken anew before a file is left out: of a local file its length
 * and CRC32C, of one in Pangu its length and times, which every change there changes. So a lost line, or a journal that lies, costs time and nothing else.
 * It stands in the cluster's directory under a hash of the command, and goes when the copy has nothing left to do. Where it cannot be kept, copies begin anew.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export interface DoneEntry {
  source: string;
  target: string;
}

/** The first `length` bytes of a large file are in its unfinished copy. */
export interface PartEntry {
  source: string;
  length: number;
  crc: number;
}

/** The first line: whether the sources went into the destination. By the time of a second run it is there, whichever it was. */
interface BeginEntry {
  into: boolean;
}

type Line = BeginEntry | ({ done: string } & DoneEntry) | ({ part: string } & PartEntry);

export class CopyJournal {
  readonly #path: string;
  readonly #into: boolean | undefined;
  readonly #done: Map<string, DoneEntry>;
  readonly #parts: Map<string, PartEntry>;
  /** Made when there is something to write: a copy that is refused leaves nothing behind. */
  #file: Promise<FileHandle | undefined> | undefined;
  #added = 0;
  #written: Promise<unknown> = Promise.resolve();

  private constructor(path: string, lines: readonly Line[]) {
    this.#path = path;
    this.#into = lines.find((line): line is BeginEntry => 'into' in line)?.into;
    this.#done = new Map(lines.flatMap((line) => ('done' in line ? [[line.done, line]] : [])));
    this.#parts = new Map(lines.flatMap((line) => ('part' in line ? [[line.part, line]] : [])));
  }

  /** @param command all that says what goes where */
  static async open(dir: string, command: readonly string[]): Promise<CopyJournal> {
    const name = createHash('sha256').update(JSON.stringify(command)).digest('hex').slice(0, 24);
    const path = join(dir, 'copies', `${name}.jsonl`);
    const text = await readFile(path, 'utf8').catch(() => '');
    return new CopyJournal(path, text.split('\n').flatMap(parseLine));
  }

  /** As it was decided when the copy began; undefined for one that begins now. */
  get into(): boolean | undefined {
    return this.#into;
  }

  /** Before anything is made. */
  async begin(into: boolean): Promise<void> {
    if (this.#into === undefined) await this.#append({ into });
  }

  /** This run made it. */
  get isNew(): boolean {
    return this.#into === undefined;
  }

  /** It says of no file how far it is. */
  get isEmpty(): boolean {
    return this.#done.size === 0 && this.#parts.size === 0 && this.#added === 0;
  }

  done(to: string): DoneEntry | undefined {
    return this.#done.get(to);
  }

  part(to: string): PartEntry | undefined {
    return this.#parts.get(to);
  }

  addDone(to: string, { source, target }: DoneEntry): Promise<void> {
    this.#added++;
    return this.#append({ done: to, source, target });
  }

  addPart(to: string, { source, length, crc }: PartEntry): Promise<void> {
    this.#added++;
    return this.#append({ part: to, source, length, crc });
  }

  /** @param finished nothing is left to do: it is not needed any more */
  async close(finished: boolean): Promise<void> {
    await this.#written;
    await (await this.#file)?.close();
    if (finished) await rm(this.#path, { force: true });
  }

  /** Begins with a newline, so that a line that a crash cut short spoils no other. */
  #append(line: Line): Promise<void> {
    this.#file ??= openToAppend(this.#path);
    const written = this.#file.then((file) => file?.appendFile(`\n${JSON.stringify(line)}`)).catch(() => {});
    this.#written = Promise.all([this.#written, written]);
    return written;
  }
}

function openToAppend(path: string): Promise<FileHandle | undefined> {
  return mkdir(dirname(path), { recursive: true })
    .then(() => open(path, 'a', 0o600))
    .catch(() => undefined);
}

function parseLine(text: string): Line[] {
  try {
    const line = JSON.parse(text) as Line;
    return 'into' in line || 'done' in line || 'part' in line ? [line] : [];
  } catch {
    return [];
  }
}
