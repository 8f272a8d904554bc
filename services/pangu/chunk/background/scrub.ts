import { setTimeout as delay } from 'node:timers/promises';
import { hasCode, messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import { createMetrics } from '../../../base/metrics.ts';
import { recycleAttachment } from '../../../kuafu/client.ts';
import { BLOCK_BYTES } from '../../contract.ts';
import { Pace } from '../../core/pace.ts';
import { PANGU_SCRUB_METRICS } from '../../metrics.ts';
import type { ChunkStore } from '../chunk-store.ts';
import type { RandomStore } from '../random/random-store.ts';

/**
 * Disks forget. A replica that nobody reads can rot for months, and it is found out when the others are lost: then it is too late. So each chunk server reads
 * all that it holds back, again and again, at a pace that readers do not feel, and tells the masters of what is damaged; they look themselves, find a good
 * replica, drop the bad one and make it again.
 *
 * A round goes through the chunks by id and begins at a place chosen at random, so that a server that restarts often does not look at the same ones each time.
 * Open chunks are left out: their writers are at work, and readers look at them. Chunks of random files, which are never sealed, come at the end of a round.
 */
export interface ScrubOptions {
  /** Chunks are read at this pace: 4 TiB in twelve days. @default 4 MiB */
  bytesPerSecond?: number;
  /** From start to the first chunk, and from one round to the next. @default 60_000 */
  pauseMs?: number;
}

const MIB = 1024 * 1024;
/** Read at once: what a reader who comes in between waits for. */
const STEP_BYTES = 8 * BLOCK_BYTES;
const PAGE = 1_000;
const metrics = createMetrics(PANGU_SCRUB_METRICS);

export interface Scrub {
  stop(): Promise<void>;
}

export function startScrub(options: {
  store: ChunkStore;
  random: Pick<RandomStore, 'list' | 'verify'>;
  /** Tells masters; tried again at the chunk's next turn when it fails. */
  report: (bad: { chunk: string; reason: string }) => Promise<void>;
  /** In [0, 1): where to begin. */
  beginAt: number;
  log: Logger;
  scrub?: ScrubOptions;
}): Scrub {
  const { store, random, report, log } = options;
  const { bytesPerSecond = 4 * MIB, pauseMs = 60_000 } = options.scrub ?? {};
  const pace = new Pace(bytesPerSecond);
  const stopping = new AbortController();
  const { signal } = stopping;

  const wait = (ms: number): Promise<void> => delay(ms, undefined, { signal });
  const counted = async (bytes: number): Promise<void> => {
    metrics.scrubbedBytes.inc(bytes);
    await wait(pace.take(bytes, performance.now()));
  };
  const look = (chunk: string): Promise<void> =>
    judge(chunk, async () => {
      for (let at = 0; ; ) {
        const read = await store.use(chunk, async (file) => {
          if (!file.sealed || at >= file.length) return 0;
          const length = Math.min(STEP_BYTES, file.length - at);
          recycleAttachment((await file.read(at, length)).blocks);
          return length;
        });
        if (read === 0) return;
        at += read;
        await counted(read);
      }
    });
  const judge = async (chunk: string, readAll: () => Promise<void>): Promise<void> => {
    try {
      await readAll();
    } catch (error) {
      signal.throwIfAborted();
      // It went while it was read; or it is of another kind than this loop knows.
      if (!hasCode(error, 'BadChecksum', 'DiskFailed')) return;
      const reason = messageOf(error);
      metrics.scrubBad.inc();
      log.warn({ chunk, reason }, 'scrub.bad');
      await report({ chunk, reason }).catch((failed) => log.warn({ chunk, error: messageOf(failed) }, 'scrub.report.failed'));
    }
  };
  const round = async (from: string, until: string | undefined): Promise<void> => {
    for (let after = from, more = true; more; ) {
      const page = await store.list(after, PAGE);
      for (const chunk of page.chunks) {
        if (until !== undefined && chunk > until) return;
        signal.throwIfAborted();
        await look(chunk);
      }
      more = page.more && page.chunks.length > 0;
      after = page.chunks.at(-1) ?? after;
    }
  };
  const run = async (): Promise<void> => {
    let first = true;
    while (!signal.aborted) {
      try {
        await wait(pauseMs);
        const begin = first ? await placeAt(store, options.beginAt) : '';
        first = false;
        await round(begin, undefined);
        if (begin !== '') await round('', begin);
        for (const chunk of await random.list()) {
          signal.throwIfAborted();
          await judge(chunk, () => random.verify(chunk, counted));
        }
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ error: messageOf(error) }, 'scrub.failed');
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

/** The chunk before which so much of the list lies. */
async function placeAt(store: ChunkStore, share: number): Promise<string> {
  const { chunks, more } = await store.list('', PAGE);
  // Ids are drawn evenly, so that of a long list the first letters tell where it is cut.
  if (more) return `c-${'0123456789abcdefghjkmnpqrstvwxyz'[Math.floor(share * 32)]}`;
  return chunks[Math.floor(share * chunks.length) - 1] ?? '';
}
