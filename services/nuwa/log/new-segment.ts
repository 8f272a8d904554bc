import { randomBytes } from 'node:crypto';
import type { HardState } from '../core/raft/types.ts';
import type { FileSystem, OpenFile } from './file-system.ts';
import { writeAll } from './files.ts';
import { fileHeader, frameOf, SALT_BYTES } from './frame.ts';
import { SEGMENT_KIND } from './read-log.ts';
import { encodeWrites } from './record.ts';

export interface NewSegment {
  file: OpenFile;
  salt: Uint8Array;
  bytes: number;
}

/** A segment that holds the hard state alone, so that those before it can go: whole and synced, under a name that nobody looks at. Nothing is left where it fails. */
export async function writeNewSegment(files: FileSystem, path: string, hardState: HardState): Promise<NewSegment> {
  const salt = randomBytes(SALT_BYTES);
  const first = encodeWrites([{ seq: 0, hardState, entries: [] }]);
  const file = await files.open(path, 'wx+');
  try {
    const bytes = await writeAll(file, Buffer.concat([fileHeader(SEGMENT_KIND, salt), frameOf(first, salt)]), 0);
    await file.sync();
    return { file, salt, bytes };
  } catch (error) {
    await file.close();
    await files.remove(path).catch(() => {});
    throw error;
  }
}
