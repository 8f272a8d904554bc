import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { ChunkStore } from '../chunk-store.ts';
import type { ChunkServerContext } from '../context.ts';

/** Placement needs the free bytes roughly; each report wakes every master. */
const REPORT_MS = 3_000;
const CHANGE_MIN = 0.01;

export function startSpaceReports(options: {
  announce: ChunkServerContext['announce'];
  /** What was told last. */
  freeBytes: number;
  store: ChunkStore;
  log: Logger;
  reportMs?: number;
}): {
  stop(): Promise<void>;
} {
  const { announce, store, log, reportMs = REPORT_MS } = options;
  const stopping = new AbortController();
  const run = async (): Promise<void> => {
    let told = options.freeBytes;
    for (;;) {
      await delay(reportMs, undefined, { signal: stopping.signal }).catch(() => {});
      if (stopping.signal.aborted) return;
      try {
        const space = await store.space();
        if (Math.abs(space.freeBytes - told) < space.totalBytes * CHANGE_MIN && !changedMuch(space.freeBytes, told)) continue;
        await announce(space);
        told = space.freeBytes;
      } catch (error) {
        log.warn({ error: messageOf(error) }, 'space.report.failed');
      }
    }
  };
  const running = run();
  return {
    stop: () => {
      stopping.abort();
      return running;
    },
  };
}

/** Near full, where a hundredth of the disk decides whether a chunk fits: a change by a quarter is told too. */
function changedMuch(freeBytes: number, told: number): boolean {
  return freeBytes < told * 0.75 || freeBytes > told * 1.25;
}
