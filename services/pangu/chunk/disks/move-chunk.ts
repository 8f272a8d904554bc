import { constants } from 'node:fs';
import { link } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../../base/clock.ts';
import { ChunkFile } from '../chunk-file.ts';
import type { ChunkStore } from '../chunk-store.ts';
import { DirectorySync } from '../directory-sync.ts';
import { diskError } from '../disk.ts';
import { type ChunkDisk, removeAside, removeQuietly } from './chunk-disk.ts';

const PIECE_BYTES = 1024 * 1024;

/** Keeps an average rate; shared by the moves that it counts. */
export interface Pace {
  /** Resolves when so many bytes more may go; rejects when it is time to stop. */
  take(bytes: number): Promise<void>;
}

export function paceOf(bytesPerSecond: number, clock: Clock, signal: AbortSignal): Pace {
  let freeAtMs = clock.monotonicMs();
  return {
    take: async (bytes) => {
      signal.throwIfAborted();
      const nowMs = clock.monotonicMs();
      freeAtMs = Math.max(freeAtMs, nowMs) + (bytes / bytesPerSecond) * 1000;
      if (freeAtMs - nowMs > 1) await clock.sleep(freeAtMs - nowMs, signal);
    },
  };
}

export type MoveOutcome = 'moved' | 'notNow' | 'tooLarge';

/**
 * One chunk from the disk where it is to another one of this server. Every moment of it may be the last:
 *
 *   1. a copy aside, `moving/<chunk>`, read back whole and synced        left behind it is of no use: settleMoves removes it
 *   2. the same file gets its second name, `chunks/<chunk>`, synced      from here on both are good; settleMoves keeps this one
 *   3. if nobody uses the chunk, whoever comes next opens it there       else the second name goes again
 *   4. the old file goes, synced; then the name aside, synced            so no old name can come back and claim a chunk that moved on
 *
 * Only sealed chunks move, so nothing is written meanwhile; those who read the old one go on reading it.
 */
export async function moveChunk(
  store: ChunkStore,
  chunk: string,
  to: ChunkDisk,
  options: { bytesMax: number; pace: Pace },
): Promise<MoveOutcome> {
  const outcome = await store.useToMove(chunk, async (from, length, become) => {
    if (from === to) return 'notNow';
    if (length > options.bytesMax) return 'tooLarge';
    try {
      // A name that was left aside may be the second one of a chunk in its place: it is not to be written into.
      await removeAside(to, chunk);
      await copyAside(chunk, from, to, length, options.pace);
      await link(to.pathAside(chunk), to.pathOf(chunk)).catch((error) => {
        throw diskError(error, `place chunk ${chunk}`);
      });
      await to.syncDirectory();
    } catch (error) {
      await removeAside(to, chunk).catch(() => {});
      throw to.heard(error);
    }
    const became = become(to);
    if (to.files !== undefined) to.files++;
    if (became) {
      await removeQuietly(from, chunk);
      await from.syncDirectory();
    } else {
      await to.remove(chunk);
    }
    await removeAside(to, chunk);
    const aside = new DirectorySync(join(to.path, 'moving'), to.calls);
    await aside.sync().finally(() => aside.close());
    return became ? 'moved' : 'notNow';
  });
  return outcome ?? 'notNow';
}

async function copyAside(chunk: string, from: ChunkDisk, to: ChunkDisk, length: number, pace: Pace): Promise<void> {
  const ofSource = (error: unknown): never => {
    throw from.heard(error);
  };
  const source = await from.calls.openFile(from.pathOf(chunk), constants.O_RDONLY).catch(ofSource);
  try {
    const target = await to.calls.openFile(to.pathAside(chunk), constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC);
    try {
      const piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
      for (let at = 0; ; ) {
        const bytes = await from.calls.pread(source, piece, at).catch(ofSource);
        if (bytes === 0) break;
        await pace.take(bytes);
        await to.calls.pwrite(target, [piece.subarray(0, bytes)], at);
        at += bytes;
      }
      const copy = await ChunkFile.open(to.pathAside(chunk), chunk, async () => {}, to.calls);
      await copy.verify(length).finally(() => copy.close());
      await to.calls.fdatasync(target);
    } finally {
      to.calls.closeFile(target);
    }
  } finally {
    from.calls.closeFile(source);
  }
}
