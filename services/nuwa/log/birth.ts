import { join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import { newId } from '../../base/ids.ts';
import type { ServerId } from '../core/raft/types.ts';
import { LogDamage } from './damage.ts';
import type { FileSystem } from './file-system.ts';
import { BIRTH, type Listing, writeAll, writeAside } from './files.ts';
import { Reached } from './reached.ts';

/** What the file `birth` says; why there is one: core/founding.ts. */
export interface BirthRecord {
  readonly id: string;
  /** Once true, always. */
  readonly mayVote: boolean;
  /** Of the others that its group began with, by name. */
  readonly births: Readonly<Record<ServerId, string>>;
}

/** What is read here is on the disk. */
export class Birth {
  #record: BirthRecord;
  readonly #save: (record: BirthRecord) => Promise<void>;

  constructor(record: BirthRecord, save: (record: BirthRecord) => Promise<void>) {
    this.#record = record;
    this.#save = save;
  }

  get id(): string {
    return this.#record.id;
  }

  get mayVote(): boolean {
    return this.#record.mayVote;
  }

  get births(): ReadonlyMap<ServerId, string> {
    return new Map(Object.entries(this.#record.births));
  }

  /** From now on this server may vote. `births`: of those that its group begins with. Resolves when it is on the disk. */
  async becomeVoter(births: ReadonlyMap<ServerId, string> = new Map()): Promise<void> {
    if (this.#record.mayVote) return;
    const record = { ...this.#record, mayVote: true, births: Object.fromEntries(births) };
    await this.#save(record);
    this.#record = record;
  }
}

/**
 * Made before the first snapshot and log are, and told that it may vote after: so where a birth that may vote stands alone, what belonged to it is lost. By then the
 * log has said how far it reached as well (reached.ts), so without a word of that nobody knows whether the log still has its end.
 * An older version wrote neither birth nor reach: where both are missing they are made, the reach first.
 */
export async function openBirth(
  { dir, segments, snapshots, reached }: { dir: string } & Pick<Listing, 'segments' | 'snapshots' | 'reached'>,
  files: FileSystem,
): Promise<BirthRecord> {
  const path = join(dir, BIRTH);
  const holds = segments.length + snapshots.length > 0;
  if ((await files.list(dir)).includes(BIRTH)) {
    const record = decodeBirth(await files.readFile(path));
    if (!record) throw new LogDamage(path, 'it is not what was written');
    const lost = lostOf(record, { holds, reached });
    if (lost !== undefined) throw new LogDamage(path, lost);
    return record;
  }
  const lost = lostBeside({ segments, snapshots, reached });
  if (lost !== undefined) throw new LogDamage(path, lost);
  if (segments.length > 0) await new Reached(dir, reached, files).note(segments.at(-1)!);
  const record = { id: newId('birth'), mayVote: holds, births: {} };
  await saveBirth(dir, record, files);
  return record;
}

/** What is lost of that which belongs to a birth, if anything is. */
export function lostOf({ mayVote }: BirthRecord, { holds, reached }: { holds: boolean; reached: number }): string | undefined {
  if (!mayVote) return undefined;
  if (!holds) return 'the snapshot and the log that belong to it are missing';
  return reached > 0 ? undefined : 'the file reached-… that belongs to it is missing, so the log may have lost its end';
}

/** The same where the birth itself is missing. An older version's server has none either, and no reach, but always a log. */
export function lostBeside({ segments, snapshots, reached }: Pick<Listing, 'segments' | 'snapshots' | 'reached'>): string | undefined {
  if (reached > 0) return 'it is missing, and the log that belongs to it is not';
  if (segments.length > 0 || snapshots.length === 0) return undefined;
  return 'it is missing, and with it the log and the file reached-… that belong to the snapshot';
}

export function saveBirth(dir: string, record: BirthRecord, files: FileSystem): Promise<void> {
  return writeAside(dir, BIRTH, (file) => writeAll(file, encodeBirth(record), 0), files);
}

/** A line of JSON, and its checksum. */
function encodeBirth(record: BirthRecord): Uint8Array {
  const line = JSON.stringify(record);
  return Buffer.from(`${line}\n${crc32c(line).toString(16)}\n`);
}

export function decodeBirth(bytes: Uint8Array): BirthRecord | undefined {
  const [line = '', sum] = Buffer.from(bytes).toString('utf8').split('\n');
  return sum === crc32c(line).toString(16) ? (JSON.parse(line) as BirthRecord) : undefined;
}
