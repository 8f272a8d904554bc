import { createReadStream } from 'node:fs';
import { access, constants, readdir, readFile, stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';

/** The files to be put, one after the other; each is read while it is put. */
export interface Texts {
  /** For a progress bar. */
  bytes: number;
  files(): AsyncIterable<{ name: string; pieces: AsyncIterable<Buffer> }>;
}

/** Enough to keep a small cluster busy for a while. */
const BYTES_MIN = 100e6;
const FILE_BYTES = 16 * 1024 * 1024;
/** Small files read at once: opening one takes longer than reading it. */
const READ_AHEAD = 32;
/** Prose and code first; the others only where those are not enough. */
const EXTENSIONS = [['.md', '.ts', '.js'], ['.mjs', '.cjs', '.mts', '.cts', '.txt', '.json'], ['.map']];

/** Real text that is on any clone: what the packages below `directory` bring, 100 MB of it, joined into files of about 16 MiB. */
export async function packageTexts(directory: string): Promise<Texts> {
  const paths = await textFilesBelow(directory);
  if (paths.length === 0) throw new Error(`there is no text below ${directory}`);
  return {
    bytes: BYTES_MIN,
    async *files() {
      const pieces = upTo(BYTES_MIN, readAhead(forEver(paths)));
      for (let number = 0; ; number++) {
        const first = await pieces.next();
        if (first.done) return;
        yield { name: `text-${String(number).padStart(2, '0')}.txt`, pieces: upTo(FILE_BYTES, startingWith(first.value, pieces)) };
      }
    },
  };
}

/** The files that were named, each as it is. Refused before anything starts when one cannot be read. */
export async function namedTexts(paths: readonly string[]): Promise<Texts> {
  let bytes = 0;
  for (const path of paths) {
    const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
      throw new Error(`${path} ${error.code === 'ENOENT' ? 'is not there' : `cannot be read: ${error.message}`}`, { cause: error });
    });
    if (!found.isFile()) throw new Error(`${path} is not a file; name files, such as texts/*.txt`);
    await access(path, constants.R_OK).catch((cause: Error) => {
      throw new Error(`${path} cannot be read: ${cause.message}`, { cause });
    });
    bytes += found.size;
  }
  return {
    bytes,
    async *files() {
      for (const [index, path] of paths.entries()) {
        const name = `${String(index).padStart(4, '0')}-${basename(path)}`;
        yield { name, pieces: createReadStream(path, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer> };
      }
    },
  };
}

async function textFilesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  // Caches change while one looks.
  const files = entries.filter((entry) => entry.isFile() && !entry.parentPath.includes('/.cache'));
  const ofKind = (extensions: string[]) =>
    files.filter((entry) => extensions.includes(extname(entry.name))).map((entry) => `${entry.parentPath}/${entry.name}`);
  return EXTENSIONS.flatMap((extensions) => ofKind(extensions).sort());
}

/** Where few packages are installed, the same text again. */
function* forEver(paths: readonly string[]): Generator<string> {
  for (;;) yield* paths;
}

/** Contents in order, each with a newline after it, so that no word goes on in the next. */
async function* readAhead(paths: Iterable<string>): AsyncGenerator<Buffer> {
  const reading: Promise<Buffer>[] = [];
  for (const path of paths) {
    const read = readFile(path);
    read.catch(() => {}); // told when its turn comes
    reading.push(read);
    if (reading.length === READ_AHEAD) yield Buffer.concat([await reading.shift()!, NEWLINE]);
  }
}

const NEWLINE = Buffer.from('\n');

/** The first pieces, up to the one that makes it `bytes`. Leaves `pieces` open for who comes next. */
async function* upTo(bytes: number, pieces: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  for (let taken = 0; taken < bytes; ) {
    const next = await pieces.next();
    if (next.done) return;
    taken += next.value.length;
    yield next.value;
  }
}

async function* startingWith(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}
