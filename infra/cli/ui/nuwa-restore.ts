/** A snapshot becomes the files of one server of a new group: services/nuwa/log/restore.ts. */
import { mkdir, open, readdir, rm } from 'node:fs/promises';
import { messageOf } from '../../../services/base/errors.ts';
import { type Logger, silentLogger } from '../../../services/base/log.ts';
import type { GroupConfig, GroupMember, SnapshotMark } from '../../../services/nuwa/core/raft/types.ts';
import { LogDamage } from '../../../services/nuwa/log/damage.ts';
import { RESTORING } from '../../../services/nuwa/log/files.ts';
import type { LoadedSnapshot } from '../../../services/nuwa/log/port.ts';
import type { Restore } from '../../../services/nuwa/log/restore.ts';
import type { BytesBar } from './bars.ts';

/** What keeps a server's files. */
export interface NuwaFiles {
  restoreFiles(restore: Restore, log: Logger): Promise<LoadedSnapshot>;
  /** What a snapshot file stands for. */
  snapshotMark(path: string): Promise<Pick<SnapshotMark, 'index' | 'term'>>;
}

export interface Restoring {
  file: string;
  /** The server's directory, of which nothing must be there but what a restore left that was cut off. */
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

/** Errors: the directory holds something, which is left alone; the file is damaged, and then nothing of it is left in the directory. */
export async function restoreServer(files: NuwaFiles, restoring: Restoring, barOf: (bytes: number) => BytesBar): Promise<Restored> {
  const { file, dir } = restoring;
  const there = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new Error(`${dir} cannot be restored into: ${error.code === 'ENOTDIR' ? 'it is no directory' : error.message}`, { cause: error });
  });
  if (there && there.length > 0 && !there.includes(RESTORING))
    throw new Error(
      `${dir} is not empty: a group is restored into directories of its own. Nothing was changed; name another with --data, or move away what is there`,
    );
  try {
    return await restoreFrom(files, restoring, barOf);
  } catch (error) {
    await rm(dir, { recursive: true, force: true }).catch(() => {});
    if (there) await mkdir(dir, { mode: 0o700, recursive: true }).catch(() => {});
    // A damaged file is named by the place that it was copied to, and its advice is for a server's directory.
    const why = error instanceof LogDamage ? `it is damaged (${error.what}): take another one` : messageOf(error);
    throw new Error(`${file} could not be restored: ${why}; nothing of it is left in ${dir}`, { cause: error });
  }
}

async function restoreFrom(files: NuwaFiles, { file, dir, members }: Restoring, barOf: (bytes: number) => BytesBar): Promise<Restored> {
  const { index } = await files.snapshotMark(file);
  const source = await open(file, 'r');
  const { size } = await source.stat();
  const bar = barOf(size);
  const read = async (offset: number, bytes: number): Promise<Uint8Array> => {
    const { buffer, bytesRead } = await source.read(Buffer.alloc(bytes), 0, bytes, offset);
    bar.add(bytesRead);
    return buffer.subarray(0, bytesRead);
  };
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const { mark, state } = await files.restoreFiles({ dir, config: configOf(members), index, bytes: size, read }, silentLogger);
    const { nodes, revision, sessions } = state;
    return { index: mark.index, term: mark.term, revision, nodes, sessions: sessions.size };
  } finally {
    bar.stop();
    await source.close();
  }
}

function configOf(members: Restoring['members']): GroupConfig {
  const voters = members.map(({ id, address }): GroupMember => ({ id, address, role: 'voter' }));
  return { members: voters.sort((a, b) => (a.id < b.id ? -1 : 1)) };
}
