import { join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import { listFiles, segmentFile, snapshotFile } from './files.ts';
import { LogReader } from './read-log.ts';
import { checkSnapshot } from './snapshot-file.ts';

/** What was found of one file. */
export interface CheckedFile {
  file: string;
  kind: 'segment' | 'snapshot' | 'half-written';
  /** In words: what it holds. */
  holds: string;
  /** The first thing that is wrong, if anything is. */
  problem?: string;
}

/**
 * Reads every file of a server's directory and changes nothing; the server may be running. A half-written frame at the end of the log is no problem:
 * it is being written, or a crash tore it and nobody was told that it was written.
 */
export async function checkFiles(dir: string): Promise<CheckedFile[]> {
  const { segments, snapshots, temporary } = await listFiles(dir);
  const checked: CheckedFile[] = [];
  const check = async (file: string, kind: CheckedFile['kind'], read: () => Promise<string>): Promise<void> => {
    try {
      checked.push({ file, kind, holds: await read() });
    } catch (error) {
      checked.push({ file, kind, holds: '', problem: messageOf(error) });
    }
  };
  for (const name of snapshots) {
    const file = snapshotFile(name);
    await check(file, 'snapshot', async () => {
      const { mark, nodes, sessions, revision } = await checkSnapshot(join(dir, file));
      if (mark.index !== name.index) throw new Error(`it is of entry ${mark.index}, not of the one in its name`);
      return `all up to entry ${mark.index}: ${nodes} nodes, ${sessions} sessions, revision ${revision}, ${mark.config.members.length} servers`;
    });
  }
  const newest = snapshots.at(-1);
  const reader = new LogReader(newest?.index ?? 0);
  const needed = segments.filter((segment) => newest && segment >= newest.segment);
  for (const [i, segment] of needed.entries()) {
    const file = segmentFile(segment);
    await check(file, 'segment', async () => {
      const before = reader.lastIndex;
      const { frames, torn, endOffset, fileBytes } = await reader.read(dir, segment);
      if (torn && i < needed.length - 1) throw new Error(`it breaks off at byte ${endOffset}, and another segment follows it`);
      const entries = reader.lastIndex > before ? `entries ${before + 1} to ${reader.lastIndex}` : 'no new entries';
      return `${entries} in ${frames} frames${torn ? `; ${fileBytes - endOffset} bytes of an unfinished one` : ''}`;
    });
  }
  for (const file of temporary) if (!file.startsWith('lock')) checked.push({ file, kind: 'half-written', holds: 'goes at the next start' });
  if (snapshots.length === 0 && segments.length > 0)
    checked.push({ file: dir, kind: 'snapshot', holds: '', problem: 'the snapshot that the log begins after is missing' });
  return checked;
}
