import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { createKuafuClient } from '../../kuafu/client.ts';
import type { Identity } from '../../kuafu/guard-contract.ts';
import { nuwaService } from '../contract.ts';
import type { Group } from '../group/group.ts';

const EVERY_MS = 500;
const TIMEOUT_MS = 2_000;

/** A server that answers elsewhere than the group has it in its configuration asks the leader to put that right, until it is. */
export async function tellAddress(options: {
  group: Group;
  address: string;
  clock: Clock;
  identity?: Identity;
  log: Logger;
  signal: AbortSignal;
}): Promise<void> {
  const { group, address, clock, log, signal } = options;
  const kuafu = createKuafuClient({ identity: options.identity, log });
  const move = { kind: 'move', id: group.id, address } as const;
  try {
    while (!signal.aborted) {
      const own = group.config.members.find(({ id }) => id === group.id);
      const { leader } = group;
      // One that is in no group yet is told of its address when it is added.
      if (own && own.address === address) return;
      if (own && leader !== undefined) {
        try {
          if (leader === group.id) await group.changeMembers(move);
          else await kuafu.service(nuwaService, group.addressOf(leader)!).changeMembers(move, { timeoutMs: TIMEOUT_MS, signal });
          log.info({ from: own.address, to: address }, 'nuwa.address.moved');
          return;
        } catch (error) {
          log.debug({ problem: messageOf(error) }, 'nuwa.address.move-failed');
        }
      }
      await clock.sleep(EVERY_MS, signal).catch(() => {}); // the loop sees that it was aborted
    }
  } finally {
    await kuafu.close();
  }
}
