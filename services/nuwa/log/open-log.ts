import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../base/log.ts';
import type { At, Command } from '../core/tree/command.ts';
import { decode } from './codec.ts';
import { CommandLog, createSegment, type LogFrame, SEGMENT_KIND } from './command-log.ts';
import { LogDamage } from './damage.ts';
import { listFiles, segmentName } from './files.ts';
import { FILE_HEADER_BYTES, saltOf, scanFrames } from './frame.ts';
import { readSnapshot, type StoredSnapshot } from './snapshot-file.ts';

export interface Replay {
  /** Called first, if a snapshot is there. */
  snapshot(stored: StoredSnapshot): void;
  /** Called for each command after it, in order. */
  command(command: Command, at: At): void;
}

/**
 * Reads the newest snapshot and the segments after it, and opens the log at its end. The last segment may end in a frame that
 * a crash tore: nobody was told that it was done, so it is cut off. Anything else that does not fit is damage.
 */
export async function openLog(dir: string, replay: Replay, log: Logger): Promise<CommandLog> {
  const { segments, snapshots } = await listFiles(dir);
  let lastIndex = 0;
  const newest = snapshots.at(-1);
  if (newest !== undefined) {
    replay.snapshot(await readSnapshot(dir, newest));
    lastIndex = newest;
  }
  // A segment that ends before the snapshot does is still there when a crash came before its removal.
  const needed = segments.filter((_, i) => segments[i + 1] === undefined || segments[i + 1]! > lastIndex + 1);

  let last: { salt: Uint8Array; endOffset: number } | undefined;
  for (const firstIndex of needed) {
    const path = join(dir, segmentName(firstIndex));
    const isLast = firstIndex === needed.at(-1);
    if (firstIndex > lastIndex + 1)
      throw new LogDamage(path, `the commands from ${lastIndex + 1} to ${firstIndex - 1} are missing before it`);
    const file = await readFile(path);
    const salt = saltOf(file, SEGMENT_KIND);
    if (!salt) throw new LogDamage(path, 'its header is damaged');
    const { payloads, endOffset, after } = scanFrames(file, salt);
    if (after === 'damage') throw new LogDamage(path, `the record at byte ${endOffset} is damaged, and good records follow it`);
    if (after === 'torn' && !isLast) throw new LogDamage(path, `it breaks off at byte ${endOffset}, and another segment follows it`);
    let next = firstIndex;
    for (const payload of payloads) {
      const [frameIndex, entries] = decode(payload) as LogFrame;
      if (frameIndex !== next) throw new LogDamage(path, `command ${frameIndex} stands where ${next} should`);
      for (const [nowMs, command] of entries) {
        const index = next++;
        if (index <= lastIndex) continue; // the snapshot has it
        replay.command(command, { index, nowMs });
        lastIndex = index;
      }
    }
    if (!isLast) continue;
    if (after === 'torn') {
      log.warn({ file: path, offset: endOffset, bytes: file.length - endOffset, lastIndex }, 'nuwa.log.torn-tail-cut');
    }
    if (next !== lastIndex + 1) throw new LogDamage(path, `it ends with command ${next - 1}, and the snapshot with ${lastIndex}`);
    last = { salt: Buffer.from(salt), endOffset };
  }

  if (!last) {
    const { file, salt } = await createSegment(dir, lastIndex + 1);
    return new CommandLog({ dir, file, salt, position: FILE_HEADER_BYTES, segments: [...needed, lastIndex + 1], lastIndex });
  }
  const file = await open(join(dir, segmentName(needed.at(-1)!)), 'r+');
  await file.truncate(last.endOffset);
  await file.sync();
  return new CommandLog({ dir, file, salt: last.salt, position: last.endOffset, segments, lastIndex });
}
