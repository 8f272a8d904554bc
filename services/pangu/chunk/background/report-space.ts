import type { Clock } from '../../../base/clock.ts';
import type { Logger } from '../../../base/log.ts';
import { disksToText } from '../../core/disk-space.ts';
import type { ChunkStore } from '../chunk-store.ts';
import type { Attributes, ChunkServerContext } from '../context.ts';
import { type Loop, startLoop } from './loop.ts';

/** Placement needs the free bytes roughly; each report wakes every master. */
const REPORT_MS = 3_000;
const CHANGE_MIN = 0.01;
/** Of the queue at the disks: it bends a lottery, so only large differences matter. */
const BUSY_CHANGE_MIN = 4;

/** What a server tells of its disks in its registration. */
export function spaceAttributes({ disks }: ChunkStore): Attributes {
  return { ...disks.space, disks: disksToText(disks.measured) };
}

/** Measures the disks again and again, and tells what changed enough to matter; that a disk is out at once. */
export function startSpaceReports(options: {
  announce: ChunkServerContext['announce'];
  store: ChunkStore;
  clock: Clock;
  log: Logger;
  reportMs?: number;
}): Loop {
  const { announce, store, clock, log, reportMs = REPORT_MS } = options;
  const { disks } = store;
  const statesNow = (): string => disks.measured.map(({ id, state }) => `${id} ${state}`).join();
  let told = { ...disks.space, states: statesNow() };
  const round = async (): Promise<void> => {
    await disks.measure();
    const now = { ...disks.space, states: statesNow() };
    const changed =
      now.states !== told.states ||
      isFar(now.freeBytes, told.freeBytes, now.totalBytes) ||
      isFar(now.chunkRoomBytes, told.chunkRoomBytes, now.totalBytes) ||
      Math.abs(now.busy - told.busy) >= BUSY_CHANGE_MIN;
    if (!changed) return;
    await announce(spaceAttributes(store));
    told = now;
  };
  const loop = startLoop({ name: 'space.report', intervalMs: reportMs, clock, log, round });
  disks.onFailed(loop.wake);
  return loop;
}

/** Near full, where a hundredth of the disk decides whether a chunk fits, a change by a quarter counts too. */
function isFar(now: number, told: number, total: number): boolean {
  return Math.abs(now - told) >= total * CHANGE_MIN || now < told * 0.75 || now > told * 1.25;
}
