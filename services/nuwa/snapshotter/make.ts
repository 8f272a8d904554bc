import { join } from 'node:path';
import { decodeBatch } from '../core/member/batch.ts';
import { MEMBER_RING } from '../core/member/settings.ts';
import { MemberTree } from '../core/member/tree.ts';
import type { Entry, SnapshotMark } from '../core/raft/types.ts';
import type { Command } from '../core/tree/command.ts';
import { type FileSystem, nodeFiles } from '../log/file-system.ts';
import { snapshotFile } from '../log/files.ts';
import { readEntries } from '../log/read-entries.ts';
import { checkSnapshot, loadSnapshot, writeSnapshot } from '../log/snapshot-file.ts';
import type { SnapshotOrder } from './run.ts';

/** Events are kept beside a snapshot up to this: watchers that lag behind by less resume after a restart. */
const EVENTS_BYTES_MAX = 8 * 1024 * 1024;
const NO_COMMANDS: readonly Command[] = [];

/**
 * The newest snapshot, and the entries after it up to `index` applied to it, as a file. Of what is there it only reads. The file is read again
 * before it counts: the log that it stands for goes then.
 */
export async function makeSnapshotFile({ dir, index, from, to }: SnapshotOrder, files: FileSystem = nodeFiles): Promise<SnapshotMark> {
  const { mark: before, state, events } = await loadSnapshot(join(dir, snapshotFile(from.snapshot)), files);
  const tree = new MemberTree({ ...MEMBER_RING, bytesMax: EVENTS_BYTES_MAX }, state, events);
  let mark = before;
  for await (const entry of readEntries(dir, from.segments, { afterIndex: before.index, throughIndex: index }, files)) {
    tree.apply(entry, commandsOf(entry), []);
    mark = { index: entry.index, term: entry.term, config: entry.config ?? mark.config };
  }
  if (mark.index !== index) throw new Error(`the log reaches entry ${mark.index}, not ${index}`);
  await writeSnapshot(dir, to, { mark, state: tree.state, events: tree.events.newest(EVENTS_BYTES_MAX) }, files);
  await checkSnapshot(join(dir, to), files);
  return mark;
}

function commandsOf(entry: Entry): readonly Command[] {
  return entry.kind === 'commands' ? decodeBatch(entry.data).commands : NO_COMMANDS;
}
