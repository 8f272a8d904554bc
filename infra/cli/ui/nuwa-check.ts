/**
 * Whether the files of one Nuwa server are sound, read as a start of that server would read them and without changing any; also of a server that runs.
 * Beyond what a start looks at, older snapshots are read too, and all that is wrong is told, not the first of it.
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../../services/base/errors.ts';
import { decodeBirth, lostBeside, lostOf } from '../../../services/nuwa/log/birth.ts';
import { LogDamage } from '../../../services/nuwa/log/damage.ts';
import { BIRTH, listFiles, missingSegment, segmentFile, snapshotFile } from '../../../services/nuwa/log/files.ts';
import { LogReader } from '../../../services/nuwa/log/read-log.ts';
import { checkSnapshot } from '../../../services/nuwa/log/snapshot-file.ts';

export interface CheckedFile {
  file: string;
  kind: 'snapshot' | 'log' | 'half-written' | 'out of use';
  bytes: number;
  /** What it holds, for people. */
  holds: string;
  problem?: string;
}

export interface CheckedFiles {
  dir: string;
  sound: boolean;
  files: CheckedFile[];
  /** Of the whole, such as a file that is missing. */
  problems: string[];
  /** The last entry in the log. */
  lastIndex: number;
  term: number;
}

/** Files come and go under a server that runs; then what is there is looked at again. */
const TRIES = 5;

/** Errors: the directory holds no files of a Nuwa server. */
export async function checkFiles(dir: string): Promise<CheckedFiles> {
  for (let tries = 1; ; tries++) {
    try {
      return await checkOnce(dir);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || (error as NodeJS.ErrnoException).path === dir || tries === TRIES)
        throw error;
    }
  }
}

async function checkOnce(dir: string): Promise<CheckedFiles> {
  const { segments, snapshots, reached, temporary, restoring } = await listFiles(dir);
  if (segments.length === 0 && snapshots.length === 0) throw new Error(`${dir} holds no files of a Nuwa server`);
  const files: CheckedFile[] = [];
  const problems: string[] = [];
  const bytesOf = async (file: string): Promise<number> => (await stat(join(dir, file))).size;

  for (const name of snapshots) {
    const file = snapshotFile(name);
    const checked: CheckedFile = { file, kind: 'snapshot', bytes: await bytesOf(file), holds: `all up to entry ${name.index}` };
    files.push(checked);
    await sound(checked, async () => {
      const { mark, nodes, sessions, revision } = await checkSnapshot(join(dir, file));
      if (mark.index !== name.index) throw new Error(`it is of entry ${mark.index}, not ${name.index}`);
      // The root has a row as well.
      checked.holds += ` of term ${mark.term}: ${nodes - 1} nodes, ${sessions} sessions, revision ${revision}`;
    });
  }

  const birth = await readFile(join(dir, BIRTH)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined; // of an older version, which is told apart by its other files
    throw error;
  });
  const record = birth && decodeBirth(birth);
  const lost = record && lostOf(record, { holds: true, reached });
  if (birth && !record) problems.push(`${BIRTH} is not what was written`);
  if (lost !== undefined) problems.push(lost);
  const lostToo = birth ? undefined : lostBeside({ segments, snapshots, reached });
  if (lostToo !== undefined) problems.push(`${BIRTH}: ${lostToo}`);
  if (restoring) problems.push('a restore into it did not come to its end: no server starts from it; restore it again');
  const newest = snapshots.at(-1);
  if (!newest) problems.push('there is no snapshot, with which even the log of a new server begins');
  const log = new LogReader(newest?.index ?? 0);
  const first = newest?.segment ?? segments[0]!;
  const inUse = segments.filter((segment) => segment >= first);
  for (const segment of segments) {
    const file = segmentFile(segment);
    const checked: CheckedFile = { file, kind: segment < first ? 'out of use' : 'log', bytes: await bytesOf(file), holds: '' };
    files.push(checked);
    if (segment < first) {
      checked.holds = 'what a snapshot stands for';
      continue;
    }
    const before = log.lastIndex;
    await sound(checked, async () => {
      const { frames, torn, endOffset } = await log.read(dir, segment, { last: segment === inUse.at(-1) });
      checked.holds = `${frames} records, ${log.lastIndex > before ? `entries ${before + 1} to ${log.lastIndex}` : 'no entry more'}`;
      if (torn)
        checked.holds += `; a record that was never finished from byte ${endOffset} on: nobody was told of it, unless the disk lost what it had written`;
    });
  }
  const missing = newest && missingSegment(newest, inUse, reached);
  if (missing) problems.push(`${segmentFile(missing.segment)} is missing: ${missing.why}`);
  for (const file of temporary) files.push({ file, kind: 'half-written', bytes: await bytesOf(file), holds: 'nothing that counts' });
  const allSound = problems.length === 0 && files.every(({ problem }) => problem === undefined);
  return { dir, sound: allSound, files, problems, lastIndex: log.lastIndex, term: log.hardState.term };
}

/** What is wrong with the file goes with it; one that is gone meanwhile is no news of it. */
async function sound(checked: CheckedFile, check: () => Promise<void>): Promise<void> {
  try {
    await check();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw error;
    // What to do about it is said once, below all of them.
    checked.problem = error instanceof LogDamage ? error.what : messageOf(error);
  }
}
