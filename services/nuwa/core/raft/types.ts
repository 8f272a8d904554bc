/**
 * The words of Nuwa's Raft core. The core is one server's part of the protocol as a pure function of what happens to it:
 * `raft.step(event)` changes the server's state and says what is to be sent, written, applied and answered. It reads no clock,
 * draws its randomness from a generator that it is given, and does no I/O; so a whole group runs in one process from one seed.
 *
 * Source: D. Ongaro, "Consensus: Bridging Theory and Practice" (dissertation, Stanford 2014); section numbers in this room are its.
 */

/** A server's name in the group, such as `nuwa-1`; it never passes to another machine's data. */
export type ServerId = string;

export interface GroupMember {
  readonly id: ServerId;
  /** Where it answers its peers and clients, `tcp://host:port`. Opaque here. */
  readonly address: string;
  /** A voter's copy and vote count. A learner gets the log and counts for nothing (section 4.2.1). */
  readonly role: 'voter' | 'learner';
}

/** Who is in the group, sorted by id. A server uses the latest one in its log, committed or not (section 4.1). */
export interface GroupConfig {
  readonly members: readonly GroupMember[];
}

/** What a server must never forget, on the disk before anybody hears of it (section 3.3, figure 3.1). */
export interface HardState {
  readonly term: number;
  readonly vote: ServerId | undefined;
}

/**
 * One entry of the log. `commands` hold what one origin gathered in one turn, so that Raft's own cost is paid per batch and not
 * per command; `data` is opaque here. `noop` opens a term (section 3.6.2). `config` holds a group configuration.
 */
export interface Entry {
  readonly index: number;
  readonly term: number;
  readonly kind: 'noop' | 'commands' | 'config';
  /**
   * The wall clock of the leader that made it, never below the entry before: the only time that the state machine knows. A `noop` is
   * made by no request and so by no clock: its time is that of the entry before it, 0 where that is compacted and its time forgotten.
   */
  readonly timeMs: number;
  readonly data: Uint8Array;
  /** Of `config` entries. */
  readonly config?: GroupConfig;
}

/** What a snapshot stands for: all entries up to here. */
export interface SnapshotMark {
  readonly index: number;
  readonly term: number;
  readonly config: GroupConfig;
}

// ---- what happens to a server ----

export type RaftEvent =
  /** A tick of time passed; how long one is, the owner decides (see RaftTiming). `nowMs`: on a monotonic clock, for leases only. */
  | { readonly kind: 'tick'; readonly nowMs?: number }
  | { readonly kind: 'receive'; readonly from: ServerId; readonly message: RaftMessage }
  /** Leader: puts one entry per payload into the log. Elsewhere: `effects.refused`. */
  | { readonly kind: 'propose'; readonly timeMs: number; readonly payloads: readonly Uint8Array[] }
  /**
   * Leader: asks for the index at which a read is linearizable (section 6.4). `from`: a follower that asked by a message of the term
   * `term`, which says too that it still followed this leader when it sent that. Elsewhere: `effects.readsLost`.
   */
  | { readonly kind: 'read'; readonly id: number; readonly from?: ServerId; readonly term?: number; readonly nowMs?: number }
  /** All writes up to `seq` are on the disk. */
  | { readonly kind: 'written'; readonly seq: number }
  /** A snapshot up to `index` is on the disk: entries up to there need be kept no longer (some are, for followers that lag). */
  | { readonly kind: 'compacted'; readonly index: number }
  /** The snapshot that `effects.fetchSnapshot` asked for is on the disk and loaded: the log begins after it. */
  | { readonly kind: 'snapshotLoaded'; readonly mark: SnapshotMark }
  /**
   * It could not be had, and nothing of it will be installed any more. One of these two must follow each fetch that was begun: until
   * then no entries are taken, since installing a snapshot throws the log away and with it what was acknowledged meanwhile.
   */
  | { readonly kind: 'snapshotFailed' }
  /** The connection to a peer broke: it may be gone. A follower whose leader it was need not wait out its election timeout; pre-vote keeps it honest. */
  | { readonly kind: 'peerLost'; readonly peer: ServerId }
  /** Leader: one change of the group at a time (section 4.1). Elsewhere, or while another is under way: `effects.refused`. */
  | { readonly kind: 'changeMembers'; readonly timeMs: number; readonly change: MemberChange }
  /** Leader: hands over to a voter that is brought up to date first (section 3.10). */
  | { readonly kind: 'transfer'; readonly to: ServerId }
  /** Runs for leader now, with pre-vote: how the first server of a new group saves the first timeout. */
  | { readonly kind: 'campaign' };

export type MemberChange =
  /** As a learner; when it has caught up, `promote` it. */
  | { readonly kind: 'add'; readonly id: ServerId; readonly address: string }
  | { readonly kind: 'promote'; readonly id: ServerId }
  | { readonly kind: 'remove'; readonly id: ServerId }
  /** It answers elsewhere now. */
  | { readonly kind: 'move'; readonly id: ServerId; readonly address: string };

// ---- what servers say to one another ----

export type RaftMessage =
  /** `pre`: would you vote for me? Nobody's term changes (section 9.6). `force`: the leader wishes it (leadership transfer, section 4.2.3). */
  | {
      readonly kind: 'vote';
      readonly term: number;
      readonly pre: boolean;
      readonly force: boolean;
      readonly lastIndex: number;
      readonly lastTerm: number;
    }
  | { readonly kind: 'voteReply'; readonly term: number; readonly pre: boolean; readonly granted: boolean }
  /** Also the heartbeat, with no entries. `round` counts heartbeats of the term; replies echo it, which is how reads are confirmed. */
  | {
      readonly kind: 'append';
      readonly term: number;
      readonly prevIndex: number;
      readonly prevTerm: number;
      readonly entries: readonly Entry[];
      readonly commit: number;
      readonly round: number;
    }
  | {
      readonly kind: 'appendReply';
      readonly term: number;
      readonly round: number;
      /** `accepted`: the follower's log equals the leader's up to `matchIndex`, on its disk. Refused: the `prevIndex` that was refused. */
      readonly accepted: boolean;
      readonly matchIndex: number;
      /** Of a refusal: where the follower's conflicting term begins, and that term (section 3.5, last part). */
      readonly conflictIndex?: number;
      readonly conflictTerm?: number;
    }
  /** What the follower needs is compacted: it is to fetch the leader's snapshot, of at least this index. `indexTerm`: that entry's term. */
  | { readonly kind: 'snapshot'; readonly term: number; readonly index: number; readonly indexTerm: number; readonly round: number }
  | { readonly kind: 'timeoutNow'; readonly term: number };

// ---- what is to be done ----

export interface Outgoing {
  readonly to: ServerId;
  readonly message: RaftMessage;
}

/** To be written in the order of `seq`, one after the other; several may be synced together. */
export interface DiskWrite {
  readonly seq: number;
  readonly hardState?: HardState;
  /** With consecutive indexes. Entries that were there from `entries[0].index` on are void. */
  readonly entries: readonly Entry[];
}

/**
 * What a step asks for. The order matters in one point only: `afterWrite` may go out when all writes up to this step's (and that one)
 * are on the disk; then the core is told by `written`. `messages` may go out at once: a leader's entries travel while its own disk
 * works (section 10.2.1).
 */
export interface Effects {
  write?: DiskWrite;
  messages: Outgoing[];
  afterWrite: Outgoing[];
  /** Committed, and on this server's disk: to be applied in this order. Each entry comes once. */
  committed: Entry[];
  /** Reads that may be answered once `index` is applied here. */
  readable: { id: number; index: number; from?: ServerId }[];
  /** Reads nobody can confirm: not the leader (any more). */
  readsLost: { id: number; from?: ServerId }[];
  /** Why a `propose`, `changeMembers` or `transfer` was not taken. */
  refused?: string;
  /** Of a `propose` or `changeMembers` that was taken. */
  proposed?: { firstIndex: number; term: number };
  /**
   * Fetch the snapshot of `from`, of at least `index`; answer with `snapshotLoaded` or `snapshotFailed`. Asked again while it is needed:
   * while one is being fetched, that is to be overheard. It takes the log's place on the disk after all writes that were issued
   * before; writes that come while it is fetched hold no entries, and their hard state stays.
   */
  fetchSnapshot?: { from: ServerId; index: number };
}

export interface RaftTiming {
  /** A follower that hears nothing runs after between one and one and a half times this many ticks. */
  electionTicks: number;
  heartbeatTicks: number;
  /**
   * For so long after a heartbeat round was begun that a majority answered, the leader answers reads without another (section 6.4.1). It must be
   * shorter than `electionTicks` by more than clocks may run apart. 0: off. The same on every server of a group: voters keep to it too.
   */
  leaseMs?: number;
}

export interface RaftLimits {
  /** Payload bytes of one append message (at least one entry goes). */
  appendBytesMax: number;
  /** Append messages under way to one follower that did not answer yet. */
  inflightMax: number;
  /** Payload bytes of entries that are kept behind a compaction for followers that lag. */
  keptBytesMax: number;
}

export type RaftRole = 'follower' | 'preCandidate' | 'candidate' | 'leader';

/** For status pages and tests. */
export interface RaftStatus {
  readonly id: ServerId;
  readonly role: RaftRole;
  readonly term: number;
  readonly leader: ServerId | undefined;
  readonly lastIndex: number;
  readonly commitIndex: number;
  readonly config: GroupConfig;
  /** Of a leader: how far each other member is known to be. */
  readonly progress: readonly {
    readonly id: ServerId;
    readonly matchIndex: number;
    readonly state: 'probe' | 'replicate' | 'snapshot';
    readonly active: boolean;
  }[];
}

/** What is on a server's disk when it starts. */
export interface RaftStored {
  readonly hardState: HardState;
  /** What the log begins after; index 0 and the group's first configuration where nothing was compacted. */
  readonly snapshot: SnapshotMark;
  readonly entries: readonly Entry[];
}
