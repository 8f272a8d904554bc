import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeBatch } from '../../../../services/nuwa/core/member/batch.ts';
import { MemberTree } from '../../../../services/nuwa/core/member/tree.ts';
import type { Entry, GroupConfig } from '../../../../services/nuwa/core/raft/types.ts';
import type { Command } from '../../../../services/nuwa/core/tree/command.ts';
import { newState } from '../../../../services/nuwa/core/tree/state.ts';
import { segmentFile, snapshotFile } from '../../../../services/nuwa/log/files.ts';
import { fileHeader, frameOf } from '../../../../services/nuwa/log/frame.ts';
import type { LoadedSnapshot } from '../../../../services/nuwa/log/port.ts';
import { SEGMENT_KIND } from '../../../../services/nuwa/log/read-log.ts';
import { encodeWrites } from '../../../../services/nuwa/log/record.ts';
import { writeSnapshot } from '../../../../services/nuwa/log/snapshot-file.ts';
import type { SnapshotOrder } from '../../../../services/nuwa/snapshotter/run.ts';
import { timeOf } from '../core/tree/random-entries.ts';

export const CONFIG: GroupConfig = { members: [{ id: 'n1', address: 'tcp://a:1', role: 'voter' }] };
const SALT = Buffer.from('12345678');
const ENTRIES_PER_FRAME = 3;

export function entryOf(index: number, commands: readonly Command[]): Entry {
  const data = encodeBatch({ origin: 'n1#1', firstId: 1, commands });
  return { index, term: 1, kind: 'commands', timeMs: timeOf(index), data };
}

/** A server's files: a snapshot of nothing, and the entries in two segments. @returns what is to be ordered of them. */
export async function writeFiles(dir: string, entries: readonly Entry[]): Promise<SnapshotOrder> {
  const snapshot = { index: 0, segment: 1 };
  await writeSnapshot(dir, snapshotFile(snapshot), { mark: { index: 0, term: 0, config: CONFIG }, state: newState(), events: [] });
  const half = Math.ceil(entries.length / 2);
  for (const [segment, part] of [entries.slice(0, half), entries.slice(half)].entries()) {
    const parts = [fileHeader(SEGMENT_KIND, SALT)];
    for (let i = 0; i < part.length; i += ENTRIES_PER_FRAME) {
      const payload = encodeWrites([{ seq: 1, hardState: { term: 1, vote: 'n1' }, entries: part.slice(i, i + ENTRIES_PER_FRAME) }]);
      parts.push(frameOf(payload, SALT));
    }
    writeFileSync(join(dir, segmentFile(segment + 1)), Buffer.concat(parts));
  }
  const index = entries.at(-1)!.index;
  return { dir, index, from: { snapshot, segments: [1, 2] }, to: `made-${index}.tmp` };
}

/** What a server has that lived through these. */
export function lived(entries: readonly Entry[], commandsOf: (index: number) => readonly Command[]): LoadedSnapshot {
  const tree = new MemberTree({ eventsMax: 65_536, bytesMax: 8 * 1024 * 1024 }, newState(), []);
  let mark: LoadedSnapshot['mark'] = { index: 0, term: 0, config: CONFIG };
  for (const entry of entries) {
    tree.apply(entry, commandsOf(entry.index), []);
    mark = { index: entry.index, term: entry.term, config: entry.config ?? mark.config };
  }
  return { mark, state: tree.state, events: tree.events.newest(8 * 1024 * 1024) };
}
