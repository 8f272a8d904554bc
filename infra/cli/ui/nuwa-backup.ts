/** A backup out of a running group: its newest snapshot, streamed aside, checked as a whole and then put in its place. */
import { open, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { hasCode } from '../../../services/base/errors.ts';
import type { KuafuClient } from '../../../services/kuafu/contract.ts';
import { nuwaService } from '../../../services/nuwa/contract.ts';
import { checkSnapshot } from '../../../services/nuwa/log/snapshot-file.ts';
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

/** Saves all that the server at `address` has now into `file`, which is there when it is whole and sound. */
export async function saveSnapshot(kuafu: KuafuClient, address: string, file: string, barOf: (bytes: number) => BytesBar): Promise<Backup> {
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
      await checkSnapshot(unfinished);
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
