import { createHash } from 'node:crypto';

/** Whether a copy that was interrupted, and is made again, may leave a file out. */
export interface ResumeOptions {
  resume?: boolean;
  /** Told by the bytes, whatever the times. */
  checksum?: boolean;
}

export interface Side {
  bytes: number;
  modifiedAtMs: number;
  read(): AsyncIterable<Uint8Array>;
}

/**
 * A file appears at its name only when it is whole, so one that is as long as its source, and was written after the source was last changed, is its copy:
 * unless clocks are apart, or somebody gave the source an older time. Who must be certain has the bytes compared.
 */
export async function isThereAlready(source: Side, target: Side | undefined, options: ResumeOptions): Promise<boolean> {
  if (!target || !(options.resume || options.checksum) || source.bytes !== target.bytes) return false;
  if (!options.checksum) return target.modifiedAtMs >= source.modifiedAtMs;
  const [wanted, found] = await Promise.all([digest(source), digest(target)]);
  return wanted === found;
}

async function digest(side: Side): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of side.read()) hash.update(piece);
  return hash.digest('hex');
}
