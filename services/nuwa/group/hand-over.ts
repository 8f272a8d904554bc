import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Group } from './group.ts';

/** Longer than bringing a follower up to date takes; past it the others elect by themselves. */
const HAND_OVER_MS_MAX = 1_000;

/** A leader that is about to stop lets the follower that is furthest lead, so that the group is not without a leader for an election. */
export async function handOver(group: Group, clock: Clock, log: Logger): Promise<void> {
  const { role, progress, config } = group.status();
  if (role !== 'leader') return;
  const voters = new Set(config.members.filter((member) => member.role === 'voter').map(({ id }) => id));
  const [best] = progress
    .filter(({ id, active }) => active && voters.has(id) && group.reaches(id))
    .sort((a, b) => b.matchIndex - a.matchIndex);
  if (!best) return;
  const enough = new AbortController();
  const transferred = group.transferLeadership(best.id).catch((error: unknown) => {
    log.warn({ to: best.id, problem: messageOf(error) }, 'nuwa.leader.hand-over-failed');
  });
  await Promise.race([transferred, clock.sleep(HAND_OVER_MS_MAX, enough.signal).catch(() => {})]);
  enough.abort();
}
