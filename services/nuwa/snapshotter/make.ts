import { join } from 'node:path';
import { decodeBatch } from '../core/member/batch.ts';
import { MEMBER_RING } from '../core/member/settings.ts';
import { MemberTree } from '../core/member/tree.ts';
import type { Entry, SnapshotMark } from '../core/raft/types.ts';
import type { Command } from '../core/tree/command.ts';
import { snapshotFile } from '../log/files.ts';
import { LogReader } from '../log/read-log.ts';
import { loadSnapshot, writeSnapshot } from '../log/snapshot-file.ts';
import type { SnapshotOrder } from './run.ts';

/** Events are kept beside a snapshot up to this: watchers that lag behind by less resume after a restart. */
const EVENTS_BYTES_MAX = 8 * 1024 * 1024;
const NO_COMMANDS: readonly Command[] = [];

/** The newest snapshot, and the entries after it up to `index` applied to it, as a file. Only reads what is there. */
export async function makeSnapshotFile({ dir, index, from, to }: SnapshotOrder): Promise<SnapshotMark> {
  const { mark: before, state, events } = await loadSnapshot(join(dir, snapshotFile(from.snapshot)));
  const reader = new LogReader(before.index);
  for (const segment of from.segments) await reader.read(dir, segment);
  const entries = reader.entries.slice(0, index - before.index);
  const last = entries.at(-1) ?? before;
  if (last.index !== index) throw new Error(`the log reaches entry ${last.index}, not ${index}`);

  const tree = new MemberTree(MEMBER_RING, state, events);
  let { config } = before;
  for (const entry of entries) {
    tree.apply(entry, commandsOf(entry), []);
    if (entry.config) config = entry.config;
  }
  const mark = { index, term: last.term, config };
  await writeSnapshot(dir, to, { mark, state: tree.state, events: tree.events.newest(EVENTS_BYTES_MAX) });
  return mark;
}

function commandsOf(entry: Entry): readonly Command[] {
  return entry.kind === 'commands' ? decodeBatch(entry.data).commands : NO_COMMANDS;
}
