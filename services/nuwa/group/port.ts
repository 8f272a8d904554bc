import type { NuwaEvent, ServerStatus } from '../contract.ts';
import type { MemberStatus } from '../core/member/types.ts';
import type { MemberChange, ServerId } from '../core/raft/types.ts';
import type { Command, Reply } from '../core/tree/command.ts';
import type { EventRing } from '../core/tree/event-ring.ts';
import type { TreeState } from '../core/tree/state.ts';

/**
 * This server's place in its group, for whoever serves clients from it: the operations of Kuafu's door (ops/) and the ZooKeeper door
 * (zookeeper/). Callbacks, not promises: at tens of thousands of changes a second a promise each is a tenth of the time. They are called
 * in the order of the log, all of one batch in one turn of the event loop, after all of the batch was applied and after `onEvents`.
 */
export interface NuwaGroup {
  readonly id: ServerId;
  /** False when it can no longer write its files: it answers nothing but stale reads then. */
  readonly writable: boolean;
  /** What is applied here; for reading only, and only within the turn in which it was looked at. */
  readonly state: TreeState;
  readonly events: EventRing;
  /** `answered(undefined)`: nobody knows whether it was or will be done (the leader changed, or there is none). */
  submit(command: Command, answered: (reply: Reply | undefined) => void): void;
  /** `ready(true)`: what the tree shows in this very turn is linearizable. `ready(false)`: the group cannot be asked now. */
  read(ready: (ok: boolean) => void): void;
  /** Gives the session its whole TTL again. `undefined`: the group cannot be asked now. */
  keepAlive(session: string, answered: (lives: boolean | undefined) => void): void;
  /** The same, told to the leader within 100 ms, without an answer. */
  touch(session: string): void;
  /** Told of the changes of each batch, after all of it was applied. Returns how to stop listening. */
  onEvents(listener: (events: readonly NuwaEvent[]) => void): () => void;
  /** The tree was replaced by one that is further on, and not all changes between are known: whoever watches must look anew. */
  onEventsMissed(listener: () => void): () => void;
  /** This server follows another leader, or none; what its clients take for granted may be old. */
  onLeaderChanged(listener: () => void): () => void;
  /** Rejects with NuwaError NotLeader or BadMembers. */
  changeMembers(change: MemberChange): Promise<void>;
  transferLeadership(to: ServerId): Promise<void>;
  status(): MemberStatus & Pick<ServerStatus, 'snapshotIndex' | 'logBytes' | 'writable' | 'part' | 'problems'>;
}
