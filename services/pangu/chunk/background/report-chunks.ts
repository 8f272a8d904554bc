import type { Clock } from '../../../base/clock.ts';
import type { Logger } from '../../../base/log.ts';
import type { ServiceClient } from '../../../kuafu/contract.ts';
import type { MasterContract } from '../../master-contract.ts';
import type { ChunkStore } from '../chunk-store.ts';
import { type Loop, startLoop } from './loop.ts';

/**
 * A chunk server compares what masters believe it has with what it has, page by page, and reports what is not here: after it started, after a disk
 * failed, and every now and then. Masters drop those replicas, and have them made again elsewhere.
 *
 * It asks for the rows, instead of telling all it has, so that a page is a query by key and its answer fits in a message, and nothing is held in memory: a
 * million chunks cost a million lookups of a name, spread over a quarter of an hour. What is here and no row names is for the masters to find (`list`).
 */
export interface ReportChunksOptions {
  /** @default 1_800_000 */
  intervalMs?: number;
  /** From the start to the first one. @default 5_000 */
  firstMs?: number;
  /** Between pages, unless a disk has just failed. @default 1_000 */
  pauseMs?: number;
  /** For so long after the start a disk that is missing may still be mounted; what lay there is not reported before. @default 600_000 */
  missingGraceMs?: number;
}

const PAGE = 1_000;
/** Lookups side by side: the threads that do them are those of all file operations. */
const SIDE_BY_SIDE = 4;

export interface ReportChunksContext {
  node: string;
  store: ChunkStore;
  masters: ServiceClient<MasterContract>;
  clock: Clock;
  log: Logger;
}

export function startReportingChunks(context: ReportChunksContext, options: ReportChunksOptions = {}): Loop {
  const { intervalMs = 1_800_000, firstMs = 5_000, pauseMs = 1_000, missingGraceMs = 600_000 } = options;
  const { store, clock, log } = context;
  const graceEndsMs = clock.monotonicMs() + missingGraceMs;
  let urgent = false;
  const loop = startLoop({
    name: 'chunks.report',
    intervalMs,
    firstMs,
    clock,
    log,
    round: async (signal) => {
      const hurry = urgent;
      urgent = false;
      const graceMs = graceEndsMs - clock.monotonicMs();
      // Where both are out, what lay on either cannot be told apart: a disk that fails ends the waiting for one that is missing.
      if (!hurry && store.disks.isMissingSome && graceMs > 0) {
        void clock.sleep(graceMs, signal, { ref: false }).then(loop.wake, () => {});
        return;
      }
      try {
        await reportOnce(context, hurry ? 0 : pauseMs, signal);
      } catch (error) {
        urgent ||= hurry;
        throw error;
      }
    },
  });
  store.disks.onFailed(() => {
    urgent = true;
    loop.wake();
  });
  return loop;
}

export async function reportOnce(
  { node, store, masters, clock, log }: ReportChunksContext,
  pauseMs: number,
  signal: AbortSignal,
): Promise<void> {
  for (let after: string | undefined; ; ) {
    const { chunks, more } = await masters.heldChunks({ node, after, limit: PAGE });
    const lost = await missingOf(store, chunks);
    if (lost.length > 0) {
      await masters.reportReplicas({ node, lost, bad: [] });
      log.warn({ chunks: lost.length }, 'chunks.lost');
    }
    if (!more) return;
    after = chunks.at(-1);
    await clock.sleep(pauseMs, signal);
  }
}

async function missingOf(store: ChunkStore, chunks: readonly string[]): Promise<string[]> {
  const missing: string[] = [];
  for (let at = 0; at < chunks.length; at += SIDE_BY_SIDE) {
    const some = chunks.slice(at, at + SIDE_BY_SIDE);
    const isMissing = await Promise.all(some.map((chunk) => store.isMissing(chunk)));
    missing.push(...some.filter((_, i) => isMissing[i]));
  }
  return missing;
}
