import { messageOf } from '../../base/errors.ts';
import type { Founder } from './founding.ts';
import type { Group } from './group.ts';

/** Between runs of the first server of a group while nobody leads: sooner than the others would find that out by silence. */
const CAMPAIGN_TICKS = 4;
/** How long it does that: it is about a group that starts, and what is wrong with one that does not elect by then this does not mend. */
const CAMPAIGN_TICKS_MAX = 2_400;

/**
 * The first server of a group runs for leader as soon as it is there, and again while nobody leads: a group that starts, of one or more,
 * need not wait out an election timeout. Where a leader is alive its followers refuse (section 4.2.3), and nothing happens.
 */
export function campaignWhileLeaderless(group: Group): void {
  const first = group.config.members.find(({ role }) => role === 'voter');
  if (first?.id !== group.id) return;
  group.campaign();
  let ticks = 0;
  const stop = group.onTick(() => {
    ticks++;
    if (group.leader !== undefined || ticks > CAMPAIGN_TICKS_MAX) stop();
    else if (ticks % CAMPAIGN_TICKS === 0) group.campaign();
  });
}

/**
 * A server with new files finds out whether it may take part (core/founding.ts). Rejects with FilesLost when one of those that answer now says that it may not.
 * Others may not be there yet: then it goes on by itself, and takes part or is refused when they are.
 */
export async function beginGroup(founder: Founder, group: Group, takePart: () => void, signal: AbortSignal): Promise<void> {
  let firstAsked = (): void => {};
  const asked = new Promise<void>((resolve) => {
    firstAsked = resolve;
  });
  let waited = true;
  const founded = founder.found(signal, firstAsked).then(() => {
    if (!signal.aborted) takePart();
  });
  founded.catch((error: unknown) => {
    if (!waited && !signal.aborted) group.refuse(messageOf(error));
  });
  await asked;
  if (founder.decided) await founded;
  waited = false;
}

/** Resolves when a server that is all its group answers; of a larger one, at once: others may not be there yet. */
export async function untilReady(group: Group): Promise<void> {
  if (!group.alone || group.config.members.length === 0) return;
  while (!(await new Promise<boolean>((resolve) => group.read(resolve)))) {
    if (!group.writable) throw new Error(`${group.id} cannot write its log`);
  }
}
