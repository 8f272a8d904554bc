import { backoffMs } from '../../base/backoff.ts';
import { systemRandom } from '../../base/random.ts';
import { type NuwaEvent, POLL_WAIT_MS_MAX } from '../contract.ts';
import { isOutage, type NuwaRpc, pause } from './rpc.ts';

/** Beyond the wait: time for the reply to come, and for a server to restart. */
const MARGIN_MS = 10_000;

/**
 * Asks again and again for what came after the last revision seen. The place is kept here and the changes are kept there, so
 * nothing is missed or seen twice, whichever server answers and however often the connection breaks.
 */
export function watch(options: {
  rpc: NuwaRpc;
  path: string;
  recursive: boolean;
  afterRevision: number | undefined;
  signal: AbortSignal;
}): AsyncIterable<NuwaEvent> {
  const { rpc, path, recursive, signal } = options;
  const poll = async (afterRevision: number | undefined): Promise<{ events: NuwaEvent[]; revision: number } | undefined> => {
    for (let tries = 1; !signal.aborted; tries++) {
      try {
        const waitMs = afterRevision === undefined ? 0 : POLL_WAIT_MS_MAX;
        return await rpc.poll({ path, recursive, afterRevision, waitMs }, { timeoutMs: waitMs + MARGIN_MS, signal });
      } catch (error) {
        if (signal.aborted) break;
        if (!isOutage(error)) throw error;
        await pause(backoffMs(tries, systemRandom, { maxMs: 1_000 }), signal);
      }
    }
    return undefined;
  };
  // "From now on" means from this call on, whenever the caller begins to iterate.
  const begin = options.afterRevision === undefined ? poll(undefined) : Promise.resolve({ revision: options.afterRevision });
  begin.catch(() => {}); // told to whoever iterates

  return {
    async *[Symbol.asyncIterator]() {
      let revision = (await begin)?.revision;
      while (revision !== undefined && !signal.aborted) {
        const batch = await poll(revision);
        if (!batch) return;
        for (const event of batch.events) {
          if (signal.aborted) return;
          yield event;
        }
        revision = batch.revision;
      }
    },
  };
}
