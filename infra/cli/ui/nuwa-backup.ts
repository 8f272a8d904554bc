/** A backup out of a running group: its newest snapshot, streamed aside, checked as a whole and then put in its place. */
import { rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { hasCode } from '../../../services/base/errors.ts';
import type { KuafuClient } from '../../../services/kuafu/contract.ts';
import { nuwaService } from '../../../services/nuwa/contract.ts';
import { syncDir, writePieces } from '../../../services/nuwa/log/files.ts';
import { checkSnapshot } from '../../../services/nuwa/log/snapshot-file.ts';
import type { BytesBar } from './bars.ts';

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
      await writePieces(unfinished, found.bytes, async (offset, bytes) => {
        const { attachment } = await server.readSnapshot({ index: found.index, offset, bytes }, { timeoutMs: PIECE_MS_MAX });
        bar.add(attachment.length);
        return attachment;
      });
      await checkSnapshot(unfinished);
      await rename(unfinished, file);
      await syncDir(dirname(resolve(file)));
      return found;
    } catch (error) {
      await rm(unfinished, { force: true });
      if (!hasCode(error, 'Compacted') || tries === TRIES) throw error;
    } finally {
      bar.stop();
    }
  }
}
