import type { NuwaEvent } from '../../contract.ts';
import type { DiskWrite, GroupConfig, MemberChange, RaftMessage, RaftStatus, ServerId, SnapshotMark } from '../raft/types.ts';
import type { Command, Reply } from '../tree/command.ts';
import type { TreeState } from '../tree/state.ts';

/**
 * A member is a whole Nuwa server without its sockets and disks: Raft, the tree, the sessions' clocks, the changes and reads that
 * wait. `member.step(event, now)` returns what is to be sent, written and answered. The shell (../../group) drives one with real
 * sockets and files; the simulator drives a group of them from a seed.
 *
 * A change goes: submit → (forwarded to the leader) → log → committed → applied on every server → answered by the server that it was
 * submitted to, in the order of the log. A change whose fate is unknown (the leader changed, a message was lost) is `lost`; clients
 * send it again under the same request number.
 */
export interface Now {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/** Names a submission, read or keep-alive at this server, for as long as it waits; chosen by the caller, never used twice. */
export type WaitId = number;

export type MemberEvent =
  /** Every TICK_MS. */
  | { readonly kind: 'tick' }
  | { readonly kind: 'receive'; readonly from: ServerId; readonly message: PeerMessage }
  /** Changes of own clients, those that came in one turn. Ids grow by one from `firstId`. */
  | { readonly kind: 'submit'; readonly firstId: WaitId; readonly commands: readonly Command[] }
  /** Linearizable reads that came in one turn: `readable` says when the tree may be looked at. */
  | { readonly kind: 'read'; readonly ids: readonly WaitId[] }
  /** `alive` answers, when the leader noted it and was surely the leader then. */
  | { readonly kind: 'keepAlive'; readonly id: WaitId; readonly session: string }
  /** Sessions that were heard of, not to be answered. */
  | { readonly kind: 'touch'; readonly sessions: readonly string[] }
  | { readonly kind: 'written'; readonly seq: number }
  | { readonly kind: 'compacted'; readonly index: number }
  /** What `fetchSnapshot` asked for; `events`: the newest before it, for watchers. */
  | { readonly kind: 'snapshotLoaded'; readonly mark: SnapshotMark; readonly state: TreeState; readonly events: readonly NuwaEvent[] }
  /** It could not be had; one of the two must follow each fetch that was begun. */
  | { readonly kind: 'snapshotFailed' }
  | { readonly kind: 'peerLost'; readonly peer: ServerId }
  | { readonly kind: 'changeMembers'; readonly id: WaitId; readonly change: MemberChange }
  | { readonly kind: 'transfer'; readonly id: WaitId; readonly to: ServerId }
  | { readonly kind: 'campaign' };

/** What servers say to one another. `batch` is an encoded CommandBatch. */
export type PeerMessage =
  | { readonly kind: 'raft'; readonly message: RaftMessage }
  /** To the leader: changes of my clients. It appends them or says `refused` with the same `batchId`. */
  | { readonly kind: 'forward'; readonly term: number; readonly batchId: number; readonly batch: Uint8Array }
  | { readonly kind: 'refused'; readonly batchId: number }
  /** To the leader: a read, and sessions that were heard of; the answer says which of those are no more. */
  | { readonly kind: 'ask'; readonly term: number; readonly askId: number; readonly sessions: readonly string[] }
  | { readonly kind: 'answer'; readonly askId: number; readonly index: number; readonly gone: readonly string[] }
  | { readonly kind: 'noAnswer'; readonly askId: number }
  /** To the leader, unanswered: sessions that were heard of. */
  | { readonly kind: 'touched'; readonly sessions: readonly string[] };

export interface MemberEffects {
  write?: DiskWrite;
  /** May go at once. */
  messages: { to: ServerId; message: PeerMessage }[];
  /** May go when all writes up to this step's are on the disk. */
  afterWrite: { to: ServerId; message: PeerMessage }[];
  /** In the order of the log. */
  replies: { id: WaitId; reply: Reply }[];
  /** The tree may be looked at for these now. */
  readable: WaitId[];
  alive: { id: WaitId; lives: boolean }[];
  /** Fate unknown, or nobody to ask: try again, here or elsewhere. */
  lost: WaitId[];
  /** Of `changeMembers` and `transfer`. */
  done: { id: WaitId; problem?: string }[];
  /** What changed in the tree, in order, after all of it was applied. */
  events: NuwaEvent[];
  /** The tree was replaced by one that is further on, and not all changes between the two are known: whoever watches lists again. */
  eventsMissed: boolean;
  fetchSnapshot?: { from: ServerId; index: number };
  /** This server follows another leader, or none, since this step: what its clients take for granted may be old. */
  leaderChanged: boolean;
}

export interface MemberStatus extends RaftStatus {
  readonly appliedIndex: number;
  readonly config: GroupConfig;
  readonly sessions: number;
}
