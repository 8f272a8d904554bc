/**
 * Backups of a group: a snapshot is taken out of a running one, and put in the place of a new group's files.
 *
 * A snapshot says who was in the group that it was taken from. The new group's first entry after it says who is in this one: a server goes by
 * the latest configuration in its log, committed or not (Ongaro, section 4.1). The entry is the same on each of the new servers, to the byte, so their logs agree
 * before they have spoken with one another.
 */
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { hasCode } from '../../../services/base/errors.ts';
import { type Logger, silentLogger } from '../../../services/base/log.ts';
import type { KuafuClient } from '../../../services/kuafu/contract.ts';
import { nuwaService } from '../../../services/nuwa/contract.ts';
import type { GroupMember, SnapshotMark } from '../../../services/nuwa/core/raft/types.ts';
import type { Storage, StorageOptions } from '../../../services/nuwa/log/port.ts';
import type { BytesBar } from './bars.ts';

/** As much as one call may carry is 4 MiB; less keeps a leader's other calls from waiting behind it. */
const PIECE_BYTES = 1024 * 1024;
/** A million nodes take seconds; a disk that is busy with other things, longer. */
const MAKE_MS_MAX = 10 * 60_000;
const PIECE_MS_MAX = 60_000;
/** A snapshot stays for a minute after the next one came: two that came in turn are bad luck, three are another reason. */
const TRIES = 3;

export interface Backup {
  index: number;
  term: number;
  bytes: number;
}

/** Streams a snapshot of all that the server at `address` has now into `file`, which is there when it is whole. */
export async function saveSnapshot(
  kuafu: KuafuClient,
  address: string,
  file: string,
  barOf: (bytes: number) => BytesBar,
): Promise<Backup> {
  const server = kuafu.service(nuwaService, address);
  const unfinished = `${file}.part`;
  for (let tries = 1; ; tries++) {
    const found = await server.snapshot({ fresh: true }, { timeoutMs: MAKE_MS_MAX });
    if (found.index === 0) throw new Error('there is nothing to save yet: nothing was ever written to this group');
    const bar = barOf(found.bytes);
    try {
      await readInto(unfinished, found.bytes, async (offset) => {
        const { attachment } = await server.readSnapshot({ index: found.index, offset, bytes: PIECE_BYTES }, { timeoutMs: PIECE_MS_MAX });
        bar.add(attachment.length);
        return attachment;
      });
      await rename(unfinished, file);
      await syncDirectory(dirname(resolve(file)));
      return found;
    } catch (error) {
      await rm(unfinished, { force: true });
      if (!hasCode(error, 'Compacted') || tries === TRIES) throw error;
    } finally {
      bar.stop();
    }
  }
}

async function readInto(path: string, bytes: number, piece: (offset: number) => Promise<Uint8Array>): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    for (let offset = 0; offset < bytes; ) {
      const next = await piece(offset);
      if (next.length === 0) throw new Error(`the snapshot ends after ${offset} of ${bytes} bytes`);
      await file.writeFile(next);
      offset += next.length;
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/** So that the name is on the disk too. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  await directory.sync().finally(() => directory.close());
}

export type OpenStorage = (options: StorageOptions, log: Logger) => Promise<Storage>;

export interface Restored {
  mark: SnapshotMark;
  nodes: number;
  sessions: number;
  revision: number;
}

/** Makes `dir` the files of one server of a new group that begins with what the snapshot holds. Errors: the directory holds something; the file is damaged. */
export async function restoreServer(
  openStorage: OpenStorage,
  from: { file: string; dir: string; members: readonly Pick<GroupMember, 'id' | 'address'>[] },
  bar: BytesBar,
): Promise<Restored> {
  const { file, dir } = from;
  const there = await readdir(dir).catch(() => []);
  if (there.length > 0) throw new Error(`${dir} is not empty: a group is restored into directories of its own`);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  try {
    return await intoStorage(openStorage, from, bar);
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    throw new Error(`${file} could not be restored: ${(error as Error).message}`, { cause: error });
  }
}

async function intoStorage(
  openStorage: OpenStorage,
  { file, dir, members }: Parameters<typeof restoreServer>[1],
  bar: BytesBar,
): Promise<Restored> {
  const voters = members.map(({ id, address }): GroupMember => ({ id, address, role: 'voter' }));
  const config = { members: voters.sort((a, b) => (a.id < b.id ? -1 : 1)) };
  const source = await open(file, 'r');
  const storage = await openStorage({ dir, initialConfig: config }, silentLogger);
  try {
    const { size } = await source.stat();
    const { mark, state } = await storage.installSnapshot(await indexOf(storage, source, size), size, async (offset, bytes) => {
      const { buffer, bytesRead } = await source.read(Buffer.alloc(bytes), 0, bytes, offset);
      bar.add(bytesRead);
      return buffer.subarray(0, bytesRead);
    });
    const { index, term } = mark;
    const entry = { index: index + 1, term, kind: 'config' as const, timeMs: 0, data: new Uint8Array(), config };
    await storage.write([{ seq: 1, hardState: { term, vote: undefined }, entries: [entry] }]);
    return { mark, nodes: state.nodes, sessions: state.sessions.size, revision: state.revision };
  } finally {
    bar.stop();
    await source.close();
    await storage.close();
  }
}
