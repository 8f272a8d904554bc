import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../../base/errors.ts';
import { type Pace, paceOfOne } from '../../core/pace.ts';
import { pickCopy } from '../../core/pick-copy.ts';
import { copyReplica } from '../copy-replica.ts';
import { healingMetrics } from '../healing-metrics.ts';
import type { ControlContext } from './context.ts';
import type { Deviations } from './deviations.ts';

/**
 * Makes the replicas that chunks lack: those in most danger first, several at a time, no node in more than its bound, all together at a bounded pace. What
 * cannot be made now is left to the next look. What is asked of Nuwa, of Postgres and of the servers is what `copyReplica` asks; nothing is kept here.
 */
export async function mend(control: ControlContext, lacking: Deviations['lacking'], pace: Pace): Promise<{ made: number; bytes: number }> {
  const { chunkServers, random, ending, log } = control;
  const { copiesPerNode, repairBytesPerSecond } = await control.healing();
  pace.bytesPerSecond = repairBytesPerSecond;
  const atOnce = Math.floor((chunkServers.list().length * copiesPerNode) / 2);
  const left = [...lacking];
  const busy = new Map<string, number>();
  const work = (node: string, change: 1 | -1): void => void busy.set(node, (busy.get(node) ?? 0) + change);
  const running = new Set<Promise<void>>();
  const total = { made: 0, bytes: 0 };

  const copy = async ({ chunk, length, source, to }: NonNullable<ReturnType<typeof pickCopy>>): Promise<void> => {
    try {
      await delay(pace.take(length, performance.now()), undefined, { signal: ending });
      const outcome = await copyReplica(control, {
        chunk,
        source,
        to,
        seal: false,
        bytesPerSecond: paceOfOne(repairBytesPerSecond, atOnce),
      });
      if (outcome.outcome === 'done') {
        total.made++;
        total.bytes += length;
        healingMetrics.replicasMade.inc();
        healingMetrics.repairedBytes.inc(length);
        log.debug({ chunk, node: outcome.node }, 'chunk.mended');
      } else if (outcome.outcome !== 'gone') log.info({ chunk, outcome: outcome.outcome, reason: outcome.reason }, 'chunk.not-mended');
    } catch (error) {
      if (!ending.aborted) log.warn({ chunk, error: messageOf(error) }, 'chunk.mending.failed');
    }
  };
  while (!ending.aborted) {
    const picked = pickCopy(left, chunkServers.list(), busy, copiesPerNode, random);
    if (!picked && running.size === 0) break;
    if (!picked) {
      await Promise.race(running);
      continue;
    }
    left.splice(
      left.findIndex(({ chunk }) => chunk === picked.chunk),
      1,
    );
    for (const node of [picked.source, picked.to]) work(node, 1);
    const copying = copy(picked).finally(() => {
      for (const node of [picked.source, picked.to]) work(node, -1);
      running.delete(copying);
    });
    running.add(copying);
  }
  await Promise.all(running);
  return total;
}
