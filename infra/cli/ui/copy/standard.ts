import type { Readable } from 'node:stream';
import { Transform } from 'node:stream';

/** Standard input or output, as the name of a file. */
export const STANDARD = '-';

/** A reader that goes away (`| head`) ends the output, and is no failure. @returns whether anybody still reads. */
export async function toStandardOutput(source: Readable): Promise<boolean> {
  for await (const piece of source) if (!(await writeOut(piece as Buffer))) return false;
  return true;
}

/** Resolves when whoever reads has taken it, so that a slow reader is waited for. */
export function writeOut(piece: Uint8Array | string): Promise<boolean> {
  const { stdout } = process;
  // What went wrong is told to the write; without a listener it would be told a second time, to the process.
  if (!stdout.listeners('error').includes(ignore)) stdout.on('error', ignore);
  return new Promise((resolve, reject) => {
    stdout.write(piece, (error?: NodeJS.ErrnoException | null) => {
      if (!error) resolve(true);
      else if (error.code === 'EPIPE') resolve(false);
      else reject(error);
    });
  });
}

const ignore = (): void => {};

export function counting(onBytes: (length: number) => void): Transform {
  return new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      onBytes(chunk.length);
      done(null, chunk);
    },
  });
}
