import { assertNever } from '../../../base/assert.ts';
import type { NuwaEvent } from '../../contract.ts';
import { Raft } from '../raft/raft.ts';
import type { Effects, Entry, RaftEvent, ServerId, SnapshotMark } from '../raft/types.ts';
import type { Command } from '../tree/command.ts';
import type { EventRing } from '../tree/event-ring.ts';
import type { TreeState } from '../tree/state.ts';
import { decodeBatch, decodeHead } from './batch.ts';
import { type OwnBatch, OwnChanges } from './changes.ts';
import { joinWrites, newEffects } from './effects.ts';
import { LeaderDuties } from './leader-duties.ts';
import { Orders } from './orders.ts';
import { type PeerAsk, PeerAsks } from './peer-asks.ts';
import { type Ask, type Confirmed, OwnReads } from './reads.ts';
import {
  ASKS_PER_BOOT_UNIT,
  HELD_TIMEOUTS,
  MEMBER_LIMITS,
  MEMBER_RING,
  MEMBER_TIMING,
  type MemberOptions,
  REAP_TICKS,
  SENT_TIMEOUTS,
  SESSION_TICKS,
  TICK_MS,
} from './settings.ts';
import { MemberTree } from './tree.ts';
import type { MemberEffects, MemberEvent, MemberStatus, Now, PeerMessage, WaitId } from './types.ts';

export { MEMBER_LIMITS, MEMBER_RING, MEMBER_TIMING, type MemberOptions, TICK_MS } from './settings.ts';

const NO_COMMANDS: readonly Command[] = [];

export class Member {
  readonly id: ServerId;
  readonly #raft: Raft;
  readonly #tree: MemberTree;
  readonly #changes: OwnChanges;
  readonly #reads = new OwnReads();
  readonly #orders = new Orders();
  readonly #electionTicks: number;
  /** Present while this server leads. */
  #duties: LeaderDuties | undefined;
  /** Whom it follows and in which term, as of the last step. */
  #leader: ServerId | undefined;
  #leaderTerm = 0;
  #tick = 0;
  #nextAskId: number;
  /** Below 0, where the ids of clients' commands never are. */
  #nextOwnId = -1;
  #keepAlives: { id: WaitId; session: string }[] = [];
  #touched = new Set<string>();
  readonly #peerAsks = new PeerAsks();
  /** Of a leader: the latest batch of each origin that it took in this term; one that comes twice is taken once. */
  readonly #forwarded = new Map<string, number>();
  /** Sessions that this server closed as the leader, for not having been heard of. */
  sessionsExpired = 0;
  #effects = newEffects();
  #now: Now = { monotonicMs: 0, wallMs: 0 };

  constructor(options: MemberOptions) {
    const { id, boot, stored, loaded, random, timing = MEMBER_TIMING, limits = MEMBER_LIMITS, ring = MEMBER_RING } = options;
    this.id = id;
    this.#raft = new Raft({ id, stored, timing, limits, random });
    this.#tree = new MemberTree(ring, loaded.state, loaded.events);
    this.#changes = new OwnChanges(`${id}#${boot}`);
    this.#electionTicks = timing.electionTicks;
    this.#nextAskId = boot * ASKS_PER_BOOT_UNIT + 1;
  }

  /** For reading only. */
  get state(): TreeState {
    return this.#tree.state;
  }

  get events(): EventRing {
    return this.#tree.events;
  }

  get leader(): ServerId | undefined {
    return this.#raft.leader;
  }

  status(): MemberStatus {
    return { ...this.#raft.status(), appliedIndex: this.state.index, sessions: this.state.sessions.size };
  }

  step(event: MemberEvent, now: Now): MemberEffects {
    const effects = newEffects();
    this.#effects = effects;
    this.#now = now;
    this.#handle(event);
    this.#maybeLeaderChanged();
    if (this.#leader !== undefined) this.#sendHeld();
    this.#releaseReads();
    return effects;
  }

  #handle(event: MemberEvent): void {
    switch (event.kind) {
      case 'tick':
        return this.#handleTick();
      case 'receive':
        return this.#handleMessage(event.from, event.message);
      case 'submit':
        return this.#changes.add(event.firstId, event.commands, this.#tick);
      case 'read':
        return this.#reads.hold({ reads: event.ids, keepAlives: [], sinceTick: this.#tick });
      case 'keepAlive':
        // They wait for the tick and share one ask: nobody is in a hurry, and there may be thousands.
        this.#keepAlives.push({ id: event.id, session: event.session });
        return;
      case 'touch':
        for (const session of event.sessions) this.#touched.add(session);
        return;
      case 'snapshotLoaded':
        return this.#handleSnapshot(event.mark, event.state, event.events);
      case 'peerLost':
        this.#drive(event);
        if (event.peer === this.#leader) this.#loseSent();
        return;
      case 'changeMembers':
        return this.#handleChangeMembers(event.id, this.#drive({ kind: 'changeMembers', timeMs: this.#now.wallMs, change: event.change }));
      case 'transfer':
        return this.#handleTransfer(event.id, event.to);
      case 'written':
      case 'compacted':
      case 'snapshotFailed':
      case 'campaign':
        this.#drive(event);
        return;
      default:
        assertNever(event);
    }
  }

  // ---- time ----

  #handleTick(): void {
    this.#tick++;
    this.#drive({ kind: 'tick', nowMs: this.#now.monotonicMs });
    if (this.#keepAlives.length > 0) {
      this.#reads.hold({ reads: [], keepAlives: this.#keepAlives, sinceTick: this.#tick });
      this.#keepAlives = [];
    }
    if (this.#tick % SESSION_TICKS === 0) {
      this.#tellTouched();
      if (this.#duties) this.#propose(this.#duties.dueSessions(this.state, this.#now, SESSION_TICKS * TICK_MS));
    }
    if (this.#duties && this.#tick % REAP_TICKS === 0) this.#propose(this.#duties.dueNodes(this.state, this.#now));
    this.#giveUp();
  }

  #tellTouched(): void {
    if (this.#touched.size === 0) return;
    const sessions = [...this.#touched];
    if (this.#duties) this.#duties.heard(this.state, sessions, this.#now);
    else if (this.#leader !== undefined) this.#send(this.#leader, { kind: 'touched', sessions });
    else return; // told to the next leader
    this.#touched.clear();
  }

  /** Commands of the leader's own. */
  #propose(commands: readonly Command[]): void {
    if (commands.length === 0) return;
    this.#nextOwnId -= commands.length;
    this.#changes.add(this.#nextOwnId, commands, this.#tick);
  }

  #giveUp(): void {
    const held = this.#tick - HELD_TIMEOUTS * this.#electionTicks;
    const sent = this.#tick - SENT_TIMEOUTS * this.#electionTicks;
    // What this server itself proposed is in its log, and it hears of it as long as it leads.
    for (const batch of this.#changes.removeAll(
      ({ sentTo, sinceTick }) => sinceTick < (sentTo === undefined ? held : sent) && sentTo !== this.id,
    ))
      this.#lose(batch);
    for (const ask of this.#reads.takeOlder(held)) this.#loseAsk(ask);
    this.#orders.giveUpBefore(held, this.#effects);
  }

  // ---- changes ----

  /** What is held goes to the leader that is known. */
  #sendHeld(): void {
    if (this.#changes.anyHeld) {
      const held = this.#changes.held();
      if (this.#duties) this.#proposeHeld(held);
      else {
        for (const batch of held) {
          this.#send(this.#leader!, {
            kind: 'forward',
            term: this.#leaderTerm,
            batchId: batch.firstId,
            batch: this.#changes.encode(batch),
          });
          this.#changes.sent(batch, this.#leader!, this.#tick);
        }
      }
    }
    if (this.#reads.anyHeld) for (const ask of this.#reads.takeHeld()) this.#ask(ask);
  }

  #proposeHeld(held: readonly OwnBatch[]): void {
    const payloads = held.map((batch) => this.#changes.encode(batch));
    for (const batch of held) this.#changes.sent(batch, this.id, this.#tick);
    const { refused } = this.#drive({ kind: 'propose', timeMs: this.#now.wallMs, payloads });
    // It hands over, or leads no more: these were certainly not done, and go to whoever leads next.
    if (refused === undefined) return;
    for (const { firstId, commands } of held) {
      if (this.#changes.remove(firstId) === undefined) continue;
      if (firstId < 0) this.#duties?.ended(commands);
      else this.#changes.add(firstId, commands, this.#tick);
    }
  }

  #lose({ firstId, commands }: OwnBatch): void {
    if (firstId < 0) return this.#duties?.ended(commands);
    for (let i = 0; i < commands.length; i++) this.#effects.lost.push(firstId + i);
  }

  #apply(entries: readonly Entry[]): void {
    const { replies, events } = this.#effects;
    for (const entry of entries) {
      if (entry.kind !== 'commands') {
        this.#tree.apply(entry, NO_COMMANDS, events);
        continue;
      }
      const own = this.#changes.take(entry.data);
      const commands = own?.commands ?? decodeBatch(entry.data).commands;
      const applied = this.#tree.apply(entry, commands, events);
      if (own && own.firstId >= 0) for (let i = 0; i < applied.length; i++) replies.push({ id: own.firstId + i, reply: applied[i]!.reply });
      const duties = this.#duties;
      if (!duties) continue;
      for (const command of commands) duties.applied(this.state, command, this.#now);
      if (!own || own.firstId >= 0) continue;
      duties.ended(commands);
      if (commands[0]!.kind === 'closeSession') this.sessionsExpired += commands.length;
    }
    this.#orders.applied(this.state.index, this.#effects);
  }

  // ---- reads ----

  #ask(ask: Ask): void {
    const askId = this.#nextAskId++;
    this.#reads.asked(askId, ask);
    const sessions = ask.keepAlives.map(({ session }) => session);
    if (!this.#duties) return this.#send(this.#leader!, { kind: 'ask', term: this.#leaderTerm, askId, sessions });
    // Noted before leadership is confirmed: a leader elected later gives every session its whole TTL later than this.
    this.#duties.heard(this.state, sessions, this.#now);
    this.#drive({ kind: 'read', id: askId, nowMs: this.#now.monotonicMs });
  }

  #releaseReads(): void {
    for (const confirmed of this.#reads.takeReady(this.state.index)) this.#release(confirmed);
    for (const { ask, index } of this.#peerAsks.takeReady(this.state.index)) this.#answer(ask, index);
  }

  #release({ ask, gone }: Confirmed): void {
    for (const id of ask.reads) this.#effects.readable.push(id);
    for (const { id, session } of ask.keepAlives) {
      // A leader that leads no more by now: it noted the session while it surely did, see `#ask`.
      const lives = gone
        ? !gone.includes(session)
        : (this.#duties?.lives(this.state, session, this.#now) ?? this.state.sessions.has(session));
      this.#effects.alive.push({ id, lives });
    }
  }

  #loseAsk({ reads, keepAlives }: Ask): void {
    for (const id of reads) this.#effects.lost.push(id);
    for (const { id } of keepAlives) this.#effects.lost.push(id);
  }

  #answer({ from, askId, sessions }: PeerAsk, index: number): void {
    const gone = sessions.filter((session) => !this.#duties?.lives(this.state, session, this.#now));
    this.#send(from, { kind: 'answer', askId, index, gone });
  }

  // ---- what peers say ----

  #handleMessage(from: ServerId, message: PeerMessage): void {
    switch (message.kind) {
      case 'raft':
        this.#drive({ kind: 'receive', from, message: message.message });
        return;
      case 'forward':
        return this.#handleForward(from, message.term, message.batchId, message.batch);
      case 'refused': {
        const batch = this.#changes.remove(message.batchId);
        if (batch) this.#lose(batch);
        return;
      }
      case 'ask':
        return this.#handleAsk({ from, askId: message.askId, sessions: message.sessions }, message.term);
      case 'answer':
        return this.#reads.answered(message.askId, message.index, message.gone);
      case 'noAnswer':
        return this.#reads.unanswered(message.askId);
      case 'touched':
        return this.#duties?.heard(this.state, message.sessions, this.#now);
      default:
        assertNever(message);
    }
  }

  #handleForward(from: ServerId, term: number, batchId: number, batch: Uint8Array): void {
    if (!this.#duties || term !== this.#raft.term) return this.#send(from, { kind: 'refused', batchId });
    const { origin } = decodeHead(batch);
    const taken = this.#forwarded.get(origin) ?? 0;
    // A second copy of one that was taken: its fate is told by the log. One that others overtook is told the same way, by silence.
    if (batchId <= taken) return;
    const { refused } = this.#drive({ kind: 'propose', timeMs: this.#now.wallMs, payloads: [batch] });
    if (refused !== undefined) return this.#send(from, { kind: 'refused', batchId });
    this.#forwarded.set(origin, batchId);
  }

  #handleAsk(ask: PeerAsk, term: number): void {
    if (!this.#duties || term !== this.#raft.term) return this.#send(ask.from, { kind: 'noAnswer', askId: ask.askId });
    this.#duties.heard(this.state, ask.sessions, this.#now);
    const id = this.#nextAskId++;
    this.#peerAsks.asked(id, ask);
    this.#drive({ kind: 'read', id, from: ask.from, term, nowMs: this.#now.monotonicMs });
  }

  #handleSnapshot(mark: SnapshotMark, state: TreeState, events: readonly NuwaEvent[]): void {
    const missing = this.#tree.replace(state, events);
    if (missing) this.#effects.events.push(...missing);
    else this.#effects.eventsMissed = true;
    this.#drive({ kind: 'snapshotLoaded', mark });
    // Own changes may be in it, and their replies are not.
    this.#loseSent();
  }

  // ---- the group ----

  #handleChangeMembers(id: WaitId, did: Effects): void {
    if (did.refused !== undefined) this.#effects.done.push({ id, problem: did.refused });
    else this.#orders.changing(id, did.proposed!.firstIndex);
  }

  #handleTransfer(id: WaitId, to: ServerId): void {
    if (to === this.id && this.#duties) return void this.#effects.done.push({ id });
    const { refused } = this.#drive({ kind: 'transfer', to });
    if (refused !== undefined) this.#effects.done.push({ id, problem: refused });
    else this.#orders.transferring(id, to, this.#tick);
  }

  // ---- Raft ----

  #drive(event: RaftEvent): Effects {
    const did = this.#raft.step(event);
    const effects = this.#effects;
    if (did.write) effects.write = joinWrites(effects.write, did.write);
    for (const { to, message } of did.messages) effects.messages.push({ to, message: { kind: 'raft', message } });
    for (const { to, message } of did.afterWrite) effects.afterWrite.push({ to, message: { kind: 'raft', message } });
    if (did.fetchSnapshot) effects.fetchSnapshot = did.fetchSnapshot;
    if (did.committed.length > 0) this.#apply(did.committed);
    for (const { id, index } of did.readable) if (!this.#peerAsks.confirmed(id, index)) this.#reads.answered(id, index, undefined);
    for (const { id } of did.readsLost) {
      const ask = this.#peerAsks.unconfirmed(id);
      if (ask) this.#send(ask.from, { kind: 'noAnswer', askId: ask.askId });
      else this.#reads.unanswered(id);
    }
    return did;
  }

  #maybeLeaderChanged(): void {
    const { leader, term } = this.#raft;
    if (leader === this.#leader && (leader === undefined || term === this.#leaderTerm)) return;
    this.#effects.leaderChanged = true;
    this.#loseSent();
    for (const { from, askId } of this.#peerAsks.takeAll()) this.#send(from, { kind: 'noAnswer', askId });
    this.#forwarded.clear();
    this.#leader = leader;
    this.#leaderTerm = term;
    this.#duties = leader === this.id ? new LeaderDuties() : undefined;
    this.#orders.leaderChanged(leader, this.#effects);
  }

  #loseSent(): void {
    // The leader's own commands are nobody else's: the next leader finds by itself what is due.
    for (const batch of this.#changes.removeAll(({ sentTo, firstId }) => sentTo !== undefined || firstId < 0)) this.#lose(batch);
    this.#reads.holdAllAsked();
  }

  #send(to: ServerId, message: PeerMessage): void {
    this.#effects.messages.push({ to, message });
  }
}
