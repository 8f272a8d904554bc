import { join } from 'node:path';
import { type Clock, systemClock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { GroupConfig } from '../core/raft/types.ts';
import { makeDir, RESTORING, syncDir } from './files.ts';
import { nodeHost, type StorageHost } from './host.ts';
import type { LoadedSnapshot } from './port.ts';
import { openStorage } from './storage.ts';

/**
 * A snapshot becomes the files of one server of a new group.
 *
 * The snapshot says who was in the group that it was taken from. The new group's first entry after it says who is in this one: a server goes by
 * the latest configuration in its log, committed or not (Ongaro, section 4.1). That entry is the same on each of the new servers, to the byte, so their logs
 * agree before they have spoken with one another; and they begin in the snapshot's term with no vote given, as nobody of this group ever gave one.
 *
 * On the way there the files are, for a while, those of a server that knows nothing, and then those of one of the old group. A mark says so, from
 * before the first of them is made until the last is durable: while it is there no server starts from them, and the restore may be done again.
 */
export interface Restore {
  dir: string;
  /** Of the new group. */
  config: GroupConfig;
  index: number;
  bytes: number;
  read: (offset: number, bytes: number) => Promise<Uint8Array>;
}

/** Errors: the directory holds what no restore left. Whatever else fails may be done again. */
export async function restoreFiles(
  { dir, config, index, bytes, read }: Restore,
  log: Logger,
  clock: Clock = systemClock,
  host: StorageHost = nodeHost,
): Promise<LoadedSnapshot> {
  const { files } = host;
  await makeDir(dir, files);
  const there = await files.list(dir);
  if (there.length > 0 && !there.includes(RESTORING))
    throw new Error(`${dir} is not empty: a group is restored into directories of its own`);
  const mark = await files.open(join(dir, RESTORING), 'w', 0o600);
  await mark.close();
  await syncDir(dir, files);
  for (const name of there) if (name !== RESTORING) await files.remove(join(dir, name));
  const storage = await openStorage({ dir, initialConfig: config, restoring: true }, log, clock, host);
  let loaded: LoadedSnapshot;
  try {
    loaded = await storage.installSnapshot(index, bytes, read);
    const { term } = loaded.mark;
    // The time of an entry is never below the one before it; 0 says nothing of it, and the leader's first entry says what it is.
    const entry = { index: index + 1, term, kind: 'config' as const, timeMs: 0, data: new Uint8Array(), config };
    await storage.birth.becomeVoter();
    await storage.write([{ seq: 1, hardState: { term, vote: undefined }, entries: [entry] }]);
  } finally {
    await storage.close();
  }
  await files.remove(join(dir, RESTORING));
  await syncDir(dir, files);
  return loaded;
}
