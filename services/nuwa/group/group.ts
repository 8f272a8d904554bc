import { messageOf } from '../../base/errors.ts';
import { NuwaError, type NuwaEvent } from '../contract.ts';
import { MEMBER_TIMING, type Member, TICK_MS } from '../core/member/member.ts';
import type { MemberEffects, MemberEvent, Now, PeerMessage } from '../core/member/types.ts';
import type { GroupConfig, MemberChange, ServerId } from '../core/raft/types.ts';
import type { Command } from '../core/tree/command.ts';
import type { EventRing } from '../core/tree/event-ring.ts';
import type { TreeState } from '../core/tree/state.ts';
import { Links, type Peer } from '../peer/links.ts';
import { AfterWrite } from './after-write.ts';
import { commandProblem } from './command-problem.ts';
import { GroupCounts } from './counts.ts';
import { Disk } from './disk.ts';
import { Listeners } from './listeners.ts';
import { notLeader } from './not-leader.ts';
import type { GroupOptions } from './options.ts';
import { type Down, partOf, Refused } from './part.ts';
import type { NuwaGroup } from './port.ts';
import { Snapshots } from './snapshots.ts';
import { Voting } from './voting.ts';
import { type Answered, type Lives, type Ready, Waiting } from './waiting.ts';

/** Two election timeouts: a group that can elect has done so by then. */
const CUT_OFF_TICKS = 2 * MEMBER_TIMING.electionTicks;

/**
 * A member with real sockets and files. It works in turns: what comes in one turn of the event loop, from peers, clients, the disk and the
 * clock, is gathered, then all of it is stepped through the member, then all that the member wants done is done: one write to the disk, one
 * call per peer, then the answers. So the busier the server, the more changes share one entry of the log, one sync and one call.
 *
 * What this file decides: nothing. Whether a message, a write or a tick comes late or never is the network's, the disk's and the clock's
 * affair, and the member is made for that.
 */
export class Group implements NuwaGroup {
  readonly id: ServerId;
  readonly counts = new GroupCounts();
  readonly snapshots: Snapshots;
  readonly #options: GroupOptions;
  readonly #member: Member;
  readonly #disk: Disk;
  readonly #voting: Voting;
  readonly #waiting = new Waiting();
  readonly #onEvents = new Listeners<readonly NuwaEvent[]>();
  readonly #onMissed = new Listeners<void>();
  readonly #onLeader = new Listeners<void>();
  readonly #onTick = new Listeners<void>();
  readonly #leaving = new AbortController();
  #links: Links | undefined;
  #ticking: NodeJS.Timeout | undefined;
  /** Why it takes part no more, and the same for people. */
  #down: Down | undefined = 'starting';
  #whyDown: string | undefined;
  #stopped: Promise<void> | undefined;
  #turnQueued = false;
  // What came in this turn.
  #happened: MemberEvent[] = [];
  #commands: Command[] = [];
  #answered: Answered[] = [];
  #readers: Ready[] = [];
  /** Sessions that were heard of since the last tick. */
  readonly #touched = new Set<string>();
  readonly #afterWrite = new AfterWrite();
  #configShown: object | undefined;
  #leaderlessTicks = 0;
  #now: Now = { monotonicMs: 0, wallMs: 0 };

  constructor(options: GroupOptions) {
    const { member, storage, clock, log } = options;
    this.#options = options;
    this.#member = member;
    this.id = member.id;
    this.#voting = new Voting({ id: this.id, birth: storage.birth, log });
    this.#disk = new Disk({
      storage,
      clock,
      onWritten: (seq, tookMs) => {
        this.counts.sync.observe(tookMs);
        this.#happen({ kind: 'written', seq });
      },
      onFailed: (error) => this.#becomeUnwritable(error),
    });
    this.snapshots = new Snapshots({
      storage,
      disk: this.#disk,
      clock,
      log,
      appliedIndex: () => member.state.index,
      onMade: ({ index }) => this.#happen({ kind: 'compacted', index }),
      onFetched: (loaded) => {
        if (this.#down) this.#disk.release();
        else this.#happen({ kind: 'snapshotLoaded', ...loaded });
      },
      onFetchFailed: () => this.#happen({ kind: 'snapshotFailed' }),
    });
  }

  get state(): TreeState {
    return this.#member.state;
  }

  get events(): EventRing {
    return this.#member.events;
  }

  get leader(): ServerId | undefined {
    return this.#down ? undefined : this.#member.leader;
  }

  get writable(): boolean {
    return this.#down !== 'unwritable';
  }

  /** Aborts when this server takes part no more, whether it stops or cannot write; with Refused as its reason, where it never will again. */
  get leaving(): AbortSignal {
    return this.#leaving.signal;
  }

  get sessionsExpired(): number {
    return this.#member.sessionsExpired;
  }

  get config(): GroupConfig {
    return this.#member.status().config;
  }

  /** The only one whose copy counts. */
  get alone(): boolean {
    return this.config.members.every(({ id, role }) => id === this.id || role === 'learner');
  }

  /** It has not known a leader for so long that others are likely to follow one: what is asked here is better asked there. */
  get cutOff(): boolean {
    return this.#down !== undefined || this.#leaderlessTicks > CUT_OFF_TICKS;
  }

  /** Where a server of the group answers. */
  addressOf(id: ServerId): string | undefined {
    return this.#links?.addressOf(id);
  }

  /** How to ask another server of the group something. */
  peer(id: ServerId): Peer | undefined {
    return this.#down ? undefined : this.#links?.peer(id);
  }

  /** Whether the last that was sent there came through. */
  reaches(id: ServerId): boolean {
    return this.#links?.isUp(id) === true;
  }

  // ---- life ----

  /** Begins to take part. `ownAddress`: where this server answers its peers. */
  start(ownAddress: string): void {
    const { cluster, clock, identity, log } = this.#options;
    this.#down = undefined;
    const onLost = (peer: ServerId): void => {
      this.counts.peersLost++;
      this.#happen({ kind: 'peerLost', peer });
    };
    this.#links = new Links({ cluster, id: this.id, ownAddress, clock, identity, log, onLost });
    this.#showConfig();
    if (this.#down) return;
    this.#ticking = setInterval(() => this.#happen({ kind: 'tick' }), TICK_MS);
  }

  /** Runs for leader. */
  campaign(): void {
    this.#happen({ kind: 'campaign' });
  }

  onTick(listener: () => void): () => void {
    return this.#onTick.add(listener);
  }

  /** Takes part no more; whoever waits is told that nobody knows. */
  stop(): Promise<void> {
    return (this.#stopped ??= this.#stop());
  }

  async #stop(): Promise<void> {
    this.#down = 'stopped';
    this.#leaving.abort();
    clearInterval(this.#ticking);
    this.#loseAll();
    await this.#links?.close();
    if (this.#happened.some(({ kind }) => kind === 'snapshotLoaded')) this.#disk.release();
    await this.#disk.hold();
  }

  // ---- for those who serve clients ----

  submit(command: Command, answered: Answered): void {
    this.counts.proposals++;
    if (this.#down) return this.#unanswered(() => answered(undefined));
    const problem = commandProblem(command);
    if (problem) return answered({ kind: 'refused', ...problem, revision: this.state.revision });
    this.#commands.push(command);
    this.#answered.push(answered);
    this.#queueTurn();
  }

  read(ready: Ready): void {
    this.counts.reads++;
    if (this.#down) return this.#unanswered(() => ready(false));
    this.#readers.push(ready);
    this.#queueTurn();
  }

  keepAlive(session: string, answered: Lives): void {
    if (this.#down) return this.#unanswered(() => answered(undefined));
    this.#happen({ kind: 'keepAlive', id: this.#waiting.keepAlive(answered), session });
  }

  touch(session: string): void {
    this.#touched.add(session);
  }

  onEvents(listener: (events: readonly NuwaEvent[]) => void): () => void {
    return this.#onEvents.add(listener);
  }

  onEventsMissed(listener: () => void): () => void {
    return this.#onMissed.add(listener);
  }

  onLeaderChanged(listener: () => void): () => void {
    return this.#onLeader.add(listener);
  }

  changeMembers(change: MemberChange): Promise<void> {
    return this.#order((id) => this.#happen({ kind: 'changeMembers', id, change }));
  }

  transferLeadership(to: ServerId): Promise<void> {
    return this.#order((id) => this.#happen({ kind: 'transfer', id, to }));
  }

  status(): ReturnType<NuwaGroup['status']> {
    const { storage } = this.#options;
    const status = this.#member.status();
    // One that takes part no more leads nobody, whatever it was when it stopped.
    const standing = this.#down ? ({ role: 'follower', leader: undefined, progress: [] } as const) : {};
    const problems = [this.#whyDown ?? this.#voting.problem, ...this.snapshots.problems].filter((problem) => problem !== undefined);
    const files = { snapshotIndex: storage.newestSnapshot().index, logBytes: storage.logBytes, writable: this.writable };
    return { ...status, ...standing, ...files, part: partOf(this.#down, this.#voting), problems };
  }

  // ---- for peers ----

  receive(from: ServerId, address: string, messages: readonly PeerMessage[], voter: boolean): void {
    if (this.#down) return;
    this.#links!.heard(from, address);
    for (const message of this.#voting.heard(from, messages, voter)) this.#happened.push({ kind: 'receive', from, message });
    this.#queueTurn();
  }

  // ---- turns ----

  #happen(event: MemberEvent): void {
    if (this.#down) return;
    this.#happened.push(event);
    this.#queueTurn();
  }

  #queueTurn(): void {
    if (this.#turnQueued) return;
    this.#turnQueued = true;
    setImmediate(() => {
      this.#turnQueued = false;
      if (!this.#down) this.#turn();
    });
  }

  #turn(): void {
    const { clock } = this.#options;
    this.#now = { monotonicMs: clock.monotonicMs(), wallMs: clock.nowMs() };
    const did: MemberEffects[] = [];
    const happened = this.#happened;
    this.#happened = [];
    for (const event of happened) this.#step(event, did);
    if (this.#down) return;
    if (this.#commands.length > 0) {
      const commands = this.#commands;
      const firstId = this.#waiting.changes(this.#answered, this.#now.monotonicMs);
      this.#commands = [];
      this.#answered = [];
      this.#step({ kind: 'submit', firstId, commands }, did);
    }
    if (this.#readers.length > 0) {
      const id = this.#waiting.reads(this.#readers);
      this.#readers = [];
      this.#step({ kind: 'read', ids: [id] }, did);
    }
    for (const { to, message } of this.#afterWrite.take(this.#disk.writtenSeq)) this.#links!.send(to, message);
    this.#disk.flush();
    this.#links!.flush();
    this.#tell(did);
    this.snapshots.maybeMake();
  }

  #step(event: MemberEvent, did: MemberEffects[]): void {
    if (event.kind === 'tick' && this.#touched.size > 0) {
      const sessions = [...this.#touched];
      this.#touched.clear();
      this.#step({ kind: 'touch', sessions }, did);
    }
    const effects = this.#member.step(event, this.#now);
    if (event.kind === 'snapshotLoaded') this.#disk.release();
    did.push(effects);
    const { write, messages, afterWrite, fetchSnapshot } = effects;
    if (write) this.#disk.write(write);
    for (const { to, message } of messages) this.#links!.send(to, message);
    this.#afterWrite.hold(this.#disk.issuedSeq, afterWrite);
    if (fetchSnapshot) {
      const { from, index } = fetchSnapshot;
      this.snapshots.fetch(from, this.#links!.addressOf(from), index, this.#links!.kuafu);
    }
    if (event.kind === 'tick' || event.kind === 'snapshotLoaded' || write?.entries.some(({ kind }) => kind === 'config'))
      this.#showConfig();
    if (event.kind !== 'tick') return;
    this.#leaderlessTicks = this.#member.leader === undefined ? this.#leaderlessTicks + 1 : 0;
    this.#onTick.tell();
  }

  /** After the messages have left: answering clients takes time, and peers need not wait for that. */
  #tell(did: readonly MemberEffects[]): void {
    for (const effects of did) {
      if (effects.eventsMissed) this.#onMissed.tell();
      if (effects.events.length > 0) this.#onEvents.tell(effects.events);
    }
    for (const effects of did) {
      this.#waiting.settle(effects, this.#now.monotonicMs, this.counts);
      if (effects.leaderChanged) this.#leaderChanged();
    }
  }

  #leaderChanged(): void {
    const { role, term, leader } = this.#member.status();
    this.counts.leaderChanges++;
    if (role === 'leader') this.counts.led++;
    this.#options.log.info({ role, term, leader }, 'nuwa.leader.changed');
    this.#onLeader.tell();
  }

  #showConfig(): void {
    const { config } = this.#member.status();
    if (config === this.#configShown) return;
    this.#configShown = config;
    this.#links!.configure(config);
    const refusal = this.#voting.refusal(config);
    if (refusal !== undefined) this.refuse(refusal);
  }

  #order(ask: (id: number) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#down || this.leader !== this.id) return reject(notLeader(this));
      const id = this.#waiting.order((problem, lost) => {
        if (lost) reject(notLeader(this));
        else if (problem !== undefined) reject(new NuwaError('BadMembers', problem));
        else resolve();
      });
      ask(id);
    });
  }

  #unanswered(tell: () => void): void {
    this.counts.unanswered++;
    tell();
  }

  /** What it last said to its peers stands; from now on it says nothing, so that another server leads soon if this one did. */
  #becomeUnwritable(error: unknown): void {
    this.#options.log.fatal({ err: error, appliedIndex: this.state.index }, 'nuwa.log.unwritable');
    this.#leave('unwritable', messageOf(error));
  }

  /** Its files are not those that its group knows it by: it says nothing here any more. */
  refuse(why: string): void {
    this.#options.log.fatal({ why }, 'nuwa.refused');
    this.#leave('refused', why);
  }

  #leave(down: Down, why: string): void {
    this.#down = down;
    this.#whyDown = why;
    this.#leaving.abort(down === 'refused' ? new Refused(why) : undefined);
    clearInterval(this.#ticking);
    void this.#links?.close();
    this.#loseAll();
    this.#onLeader.tell();
  }

  #loseAll(): void {
    this.#waiting.loseAll();
    for (const answered of this.#answered.splice(0)) answered(undefined);
    for (const ready of this.#readers.splice(0)) ready(false);
  }
}
