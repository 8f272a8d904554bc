import type { ServiceHandlers } from '../../kuafu/contract.ts';
import type { nuwaService } from '../contract.ts';
import { changeMembers } from './change-members.ts';
import { closeSession } from './close-session.ts';
import type { NuwaContext } from './context.ts';
import { create } from './create.ts';
import { deleteNode } from './delete.ts';
import { get } from './get.ts';
import { keepAlive } from './keep-alive.ts';
import { list } from './list.ts';
import { openSession } from './open-session.ts';
import { poll } from './poll.ts';
import { readSnapshot } from './read-snapshot.ts';
import { set } from './set.ts';
import { snapshot } from './snapshot.ts';
import { status } from './status.ts';
import { transact } from './transact.ts';
import { transferLeadership } from './transfer-leadership.ts';

export function handlersOf(nuwa: NuwaContext): ServiceHandlers<typeof nuwaService> {
  return {
    openSession: openSession(nuwa),
    keepAlive: keepAlive(nuwa),
    closeSession: closeSession(nuwa),
    create: create(nuwa),
    set: set(nuwa),
    delete: deleteNode(nuwa),
    transact: transact(nuwa),
    get: get(nuwa),
    list: list(nuwa),
    poll: poll(nuwa),
    status: status(nuwa),
    changeMembers: changeMembers(nuwa),
    transferLeadership: transferLeadership(nuwa),
    snapshot: snapshot(nuwa),
    readSnapshot: readSnapshot(nuwa),
  };
}
