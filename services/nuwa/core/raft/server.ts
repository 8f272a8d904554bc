import { assertInvariant } from '../../../base/assert.ts';
import type { Random } from '../../../base/random.ts';
import { Disk } from './disk.ts';
import type { Lease } from './lease.ts';
import { RaftLog } from './log.ts';
import { memberOf, votersOf } from './members.ts';
import type { Progress } from './progress.ts';
import type { PendingRead } from './reads.ts';
import type {
  Effects,
  Entry,
  GroupConfig,
  RaftLimits,
  RaftMessage,
  RaftRole,
  RaftStored,
  RaftTiming,
  ServerId,
  SnapshotMark,
} from './types.ts';

export interface RaftOptions {
  id: ServerId;
  stored: RaftStored;
  timing: RaftTiming;
  limits: RaftLimits;
  random: Random;
}

/** What only a leader has (dissertation, figure 3.1, "volatile state on leaders"). */
export interface Leading {
  /** Of each other member. */
  readonly progress: Map<ServerId, Progress>;
  /** The noop that opened the term; everything from here on is of this term. */
  readonly firstIndex: number;
  /** Heartbeat rounds of this term that were begun. */
  round: number;
  heartbeatElapsedTicks: number;
  readonly lease: Lease;
  /** In the order of their coming; see reads.ts. */
  reads: PendingRead[];
  transfer?: { readonly to: ServerId; sinceTick: number };
}

/** What only a candidate has, before (`preCandidate`) or during its election. */
export interface Election {
  /** Who answered, and how. */
  readonly votes: Map<ServerId, boolean>;
  /** The write after which the own vote is on the disk and counts; none for a pre-vote, which binds nobody. */
  ownVoteSeq?: number;
}

/**
 * A server's state, for the files of this room: each of them holds one idea of the protocol as functions over it. `out` gathers what
 * the step under way asks for.
 *
 * 1. role is `leader` exactly when `leading` is there; `preCandidate` or `candidate` exactly when `election` is.
 * 2. emittedIndex ≤ commitIndex ≤ log.lastIndex; log.mark.index ≤ emittedIndex.
 * 3. term never falls, and in one term `vote` is set at most once (section 3.4).
 */
export class Server {
  readonly id: ServerId;
  readonly timing: RaftTiming;
  readonly limits: RaftLimits;
  readonly random: Random;
  readonly log: RaftLog;
  readonly disk: Disk;

  role: RaftRole = 'follower';
  term: number;
  vote: ServerId | undefined;
  leader: ServerId | undefined;
  commitIndex: number;
  /** What `effects.committed` has held up to now. */
  emittedIndex: number;
  leading: Leading | undefined;
  election: Election | undefined;

  /** Ticks of this server's life. */
  tick = 0;
  /** When it last heard the leader, granted a vote or ran, and how long after that it runs. */
  calmSinceTick = 0;
  timeoutTicks = 0;

  /** Of a follower: the index it waits for a snapshot of; see following.ts. */
  wantedSnapshot: number | undefined;
  /** Of a follower in this term: the latest round and match that it answered with. */
  answeredRound = 0;
  answeredMatch = 0;

  out: Effects = noEffects();
  #hardStateChanged = false;
  /** The first entry of the log that no write holds yet. */
  #unissuedIndex: number;
  #voters: ServerId[] = [];
  #votersOf: GroupConfig | undefined;

  constructor({ id, stored, timing, limits, random }: RaftOptions) {
    this.id = id;
    this.timing = timing;
    this.limits = limits;
    this.random = random;
    this.log = new RaftLog(stored.snapshot, stored.entries);
    this.disk = new Disk(this.log.lastIndex);
    this.term = stored.hardState.term;
    this.vote = stored.hardState.vote;
    this.commitIndex = this.emittedIndex = stored.snapshot.index;
    this.#unissuedIndex = this.log.lastIndex + 1;
    assertInvariant(this.term >= this.log.lastTerm, `the log is of term ${this.log.lastTerm}, the hard state of term ${this.term}`);
    this.rest();
  }

  /** Whose copies and votes count, by the latest configuration in the log (section 4.1). */
  get voters(): readonly ServerId[] {
    const { config } = this.log;
    if (config !== this.#votersOf) {
      this.#votersOf = config;
      this.#voters = votersOf(config);
    }
    return this.#voters;
  }

  isVoter(id: ServerId): boolean {
    return this.voters.includes(id);
  }

  /**
   * A voter may run. So may a server whose removal is not known to be committed, although it counts for nothing itself: its log may be
   * the only one good enough to lead (section 4.2.2, figure 4.6). A learner may not.
   */
  get mayRun(): boolean {
    return this.isVoter(this.id) || (!memberOf(this.log.config, this.id) && this.log.configIndex > this.commitIndex);
  }

  /** Waits for a whole election timeout, drawn anew: randomness keeps candidates apart (section 3.4). */
  rest(): void {
    const { electionTicks } = this.timing;
    this.runAfter(electionTicks + this.random.int((electionTicks >> 1) + 1));
  }

  /** Waits for the election timeout once more; what was drawn for it stands, unless it was a short one. */
  calm(): void {
    if (this.timeoutTicks < this.timing.electionTicks) this.rest();
    else this.calmSinceTick = this.tick;
  }

  runAfter(ticks: number): void {
    this.calmSinceTick = this.tick;
    this.timeoutTicks = ticks;
  }

  setTerm(term: number, vote: ServerId | undefined): void {
    assertInvariant(
      term > this.term || (term === this.term && this.vote === undefined),
      `term ${term} after ${this.term}, vote for ${vote}`,
    );
    this.term = term;
    this.vote = vote;
    this.#hardStateChanged = true;
  }

  /** May go at once. */
  send(to: ServerId, message: RaftMessage): void {
    this.out.messages.push({ to, message });
  }

  /** Goes when all that was written up to and in this step is on the disk. */
  sendAfterWrite(to: ServerId, message: RaftMessage): void {
    this.out.afterWrite.push({ to, message });
  }

  /** Is the current term and vote on the disk, as far as earlier steps go and this one? */
  get hardStateWritten(): boolean {
    return !this.#hardStateChanged && this.disk.knowsHardState;
  }

  append(entries: readonly Entry[]): void {
    this.log.append(entries);
  }

  truncateFrom(index: number): void {
    assertInvariant(index > this.commitIndex, `committed entry ${index} is cut off, ${this.commitIndex} are committed`);
    this.log.truncateFrom(index);
    this.disk.truncatedFrom(index);
    this.#unissuedIndex = Math.min(this.#unissuedIndex, index);
  }

  compact(index: number): void {
    assertInvariant(index <= this.emittedIndex, `compacted up to ${index}, given out are ${this.emittedIndex}`);
    this.log.compact(index, this.limits.keptBytesMax);
  }

  resetLog(mark: SnapshotMark): void {
    this.log.reset(mark);
    this.disk.reset(mark.index);
    this.#unissuedIndex = mark.index + 1;
    this.commitIndex = this.emittedIndex = mark.index;
  }

  /** Ends a step: what it changed becomes one write, and what is now committed and on this disk is handed out. */
  takeEffects(): Effects {
    const { out, log, disk } = this;
    if (this.#hardStateChanged || this.#unissuedIndex <= log.lastIndex) {
      const seq = disk.issue(log.lastIndex, this.#hardStateChanged);
      const entries = log.slice(this.#unissuedIndex, log.lastIndex);
      out.write = this.#hardStateChanged ? { seq, hardState: { term: this.term, vote: this.vote }, entries } : { seq, entries };
      this.#hardStateChanged = false;
      this.#unissuedIndex = log.lastIndex + 1;
    }
    if (disk.idle && out.afterWrite.length > 0) {
      out.messages.push(...out.afterWrite);
      out.afterWrite = [];
    }
    const applicable = Math.min(this.commitIndex, disk.writtenIndex);
    if (applicable > this.emittedIndex) {
      out.committed = log.slice(this.emittedIndex + 1, applicable);
      this.emittedIndex = applicable;
    }
    this.out = noEffects();
    return out;
  }
}

function noEffects(): Effects {
  return { messages: [], afterWrite: [], committed: [], readable: [], readsLost: [] };
}
