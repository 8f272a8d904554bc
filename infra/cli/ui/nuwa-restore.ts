/**
 * A snapshot becomes the files of one server of a new group.
 *
 * The snapshot says who was in the group that it was taken from. The new group's first entry after it says who is in this one: a server goes by
 * the latest configuration in its log, committed or not (Ongaro, section 4.1). That entry is the same on each of the new servers, to the byte, so their logs
 * agree before they have spoken with one another; and they begin in the snapshot's term with no vote given, as nobody of this group ever gave one.
 */
import { mkdir, open, readdir, rm } from 'node:fs/promises';
import { messageOf } from '../../../services/base/errors.ts';
import { type Logger, silentLogger } from '../../../services/base/log.ts';
import type { GroupConfig, GroupMember, SnapshotMark } from '../../../services/nuwa/core/raft/types.ts';
import type { Storage, StorageOptions } from '../../../services/nuwa/log/port.ts';
import type { BytesBar } from './bars.ts';

/** What keeps a server's files. */
export interface NuwaFiles {
  openStorage(options: StorageOptions, log: Logger): Promise<Storage>;
  /** What a snapshot file stands for. */
  snapshotMark(path: string): Promise<Pick<SnapshotMark, 'index' | 'term'>>;
}

export interface Restoring {
  file: string;
  /** The server's directory, of which nothing must be there. */
  dir: string;
  members: readonly Pick<GroupMember, 'id' | 'address'>[];
}

export interface Restored {
  index: number;
  term: number;
  revision: number;
  nodes: number;
  sessions: number;
}

/** Errors: the directory holds something; the file is damaged; then the directory is as it was. */
export async function restoreServer(files: NuwaFiles, restoring: Restoring, barOf: (bytes: number) => BytesBar): Promise<Restored> {
  const { file, dir } = restoring;
  const there = await readdir(dir).catch(() => undefined);
  if (there && there.length > 0) throw new Error(`${dir} is not empty: a group is restored into directories of its own`);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  try {
    return await intoStorage(files, restoring, barOf);
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    if (there) await mkdir(dir, { mode: 0o700 });
    throw new Error(`${file} could not be restored: ${messageOf(error)}`, { cause: error });
  }
}

async function intoStorage(files: NuwaFiles, { file, dir, members }: Restoring, barOf: (bytes: number) => BytesBar): Promise<Restored> {
  const config = configOf(members);
  const { index } = await files.snapshotMark(file);
  const source = await open(file, 'r');
  const { size } = await source.stat();
  const bar = barOf(size);
  const read = async (offset: number, bytes: number): Promise<Uint8Array> => {
    const { buffer, bytesRead } = await source.read(Buffer.alloc(bytes), 0, bytes, offset);
    bar.add(bytesRead);
    return buffer.subarray(0, bytesRead);
  };
  const storage = await files.openStorage({ dir, initialConfig: config }, silentLogger);
  try {
    const { mark, state } = await storage.installSnapshot(index, size, read);
    // The time of an entry is never below the one before it; 0 says nothing of it, and the leader's first entry says what it is.
    const entry = { index: mark.index + 1, term: mark.term, kind: 'config' as const, timeMs: 0, data: new Uint8Array(), config };
    await storage.write([{ seq: 1, hardState: { term: mark.term, vote: undefined }, entries: [entry] }]);
    const { nodes, revision, sessions } = state;
    return { index: mark.index, term: mark.term, revision, nodes, sessions: sessions.size };
  } finally {
    bar.stop();
    await source.close();
    await storage.close();
  }
}

function configOf(members: Restoring['members']): GroupConfig {
  const voters = members.map(({ id, address }): GroupMember => ({ id, address, role: 'voter' }));
  return { members: voters.sort((a, b) => (a.id < b.id ? -1 : 1)) };
}
