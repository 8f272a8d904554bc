import type { Random } from '../../../services/base/random.ts';
import { Member, type MemberOptions, TICK_MS } from '../../../services/nuwa/core/member/member.ts';
import type { MemberEffects, MemberEvent, Now } from '../../../services/nuwa/core/member/types.ts';
import type { GroupConfig, MemberChange, ServerId } from '../../../services/nuwa/core/raft/types.ts';
import type { Command, Reply } from '../../../services/nuwa/core/tree/command.ts';
import { restoreSnapshot, takeSnapshot } from '../../../services/nuwa/core/tree/snapshot.ts';
import type { Checks } from './checks.ts';
import { SimDisk } from './disk.ts';
import type { Network } from './network.ts';
import type { Timeline } from './timeline.ts';

/** What all servers of a simulated group share. */
export interface Surroundings {
  readonly timeline: Timeline;
  readonly network: Network;
  readonly random: Random;
  readonly checks: Checks;
  readonly settings: Pick<MemberOptions, 'timing' | 'limits' | 'ring'>;
  /** How long a sync takes. */
  syncMs(): number;
  server(id: ServerId): SimServer | undefined;
  trace?(line: string): void;
}

/** A member with a disk that keeps what was synced, a clock that may be wrong, and a process that dies, stands still and comes back. */
export class SimServer {
  readonly id: ServerId;
  readonly disk: SimDisk;
  #clockRate = 1;
  /** Its own clock: what it showed when the rate changed last, and when that was. */
  #clock = { ownMs: 0, virtualMs: 0 };
  wallOffsetMs = 0;
  #member: Member | undefined;
  readonly #around: Surroundings;
  #paused: (() => void)[] | undefined;
  /** Its disk failed: it writes no more and stays as it is until restarted. */
  #broken = false;
  /** Grows with each start, so that what a dead process had planned does not happen. */
  #life = 0;
  #afterWrite: { seq: number; messages: MemberEffects['afterWrite'] }[] = [];
  #lastSeq = 0;
  #writtenSeq = 0;
  #fetching = false;
  #nextWait = 1;
  readonly #waits = new Map<number, (answer: never) => void>();

  constructor(id: ServerId, config: GroupConfig, around: Surroundings) {
    this.id = id;
    this.disk = new SimDisk(config);
    this.#around = around;
  }

  /** Virtual milliseconds per millisecond of its own clock, from now on. */
  set clockRate(rate: number) {
    this.#clock = { ownMs: this.#monotonicMs(), virtualMs: this.#around.timeline.nowMs };
    this.#clockRate = rate;
  }

  get member(): Member | undefined {
    return this.#member;
  }

  get broken(): boolean {
    return this.#broken;
  }

  get up(): boolean {
    return this.#member !== undefined;
  }

  get paused(): boolean {
    return this.#paused !== undefined;
  }

  start(): void {
    const { snapshot, hardState, entries } = this.disk;
    const { settings, random, timeline } = this.#around;
    this.#life++;
    this.#member = new Member({
      ...settings,
      id: this.id,
      boot: 1 + Math.floor(timeline.nowMs),
      stored: { hardState, snapshot: snapshot.mark, entries: [...entries] },
      loaded: { state: restoreSnapshot(structuredClone(snapshot.tree)), events: snapshot.events },
      random,
    });
    this.#around.checks.started(this);
    this.#tickLater(this.#life);
  }

  crash(): void {
    if (!this.#member) return;
    this.#around.trace?.(`${this.id} dies`);
    this.#life++;
    this.#member = undefined;
    this.#paused = undefined;
    this.#broken = false;
    this.disk.crash(this.#around.random);
    this.#afterWrite = [];
    this.#waits.clear();
    this.#lastSeq = this.#writtenSeq = 0;
    this.#fetching = false;
  }

  pause(): void {
    if (this.#member) this.#paused ??= [];
  }

  resume(): void {
    const missed = this.#paused;
    this.#paused = undefined;
    for (const happen of missed ?? []) happen();
  }

  breakDisk(): void {
    this.#broken = true;
  }

  // ---- what clients and operators ask ----

  submit(command: Command, answer: (reply: Reply | undefined) => void): void {
    this.#ask(answer, (id) => ({ kind: 'submit', firstId: id, commands: [command] }));
  }

  /** `answer(true)`: the tree of this server may be looked at now. */
  read(answer: (ok: true | undefined) => void): void {
    this.#ask(answer, (id) => ({ kind: 'read', ids: [id] }));
  }

  keepAlive(session: string, answer: (lives: boolean | undefined) => void): void {
    this.#ask(answer, (id) => ({ kind: 'keepAlive', id, session }));
  }

  changeMembers(change: MemberChange, answer: (problem: string | undefined) => void): void {
    this.#ask(answer, (id) => ({ kind: 'changeMembers', id, change }));
  }

  transfer(to: ServerId): void {
    this.#ask(
      () => {},
      (id) => ({ kind: 'transfer', id, to }),
    );
  }

  /** Keeps a snapshot of what is applied, after a while in which it may die. */
  compact(): void {
    const member = this.#member;
    if (!member) return;
    const { index } = member.state;
    const term = this.disk.termAt(index);
    if (term === undefined || index <= this.disk.snapshot.mark.index) return;
    const config = member.status().config;
    // The configuration at the snapshot's index, not a later one that is not committed yet.
    if (this.disk.entries.some((entry) => entry.kind === 'config' && entry.index > index)) return;
    const snapshot = {
      mark: { index, term, config },
      tree: structuredClone(takeSnapshot(member.state)),
      events: member.events.newest(1 << 24),
    };
    this.#later(this.#around.syncMs() * 3, () => {
      if (this.#fetching || this.#broken) return;
      this.disk.compactTo(snapshot);
      this.step({ kind: 'compacted', index });
    });
  }

  step(event: MemberEvent): void {
    const member = this.#member;
    if (!member) return;
    const effects = member.step(event, this.#now());
    this.#around.checks.stepped(this, effects);
    this.#carryOut(effects);
  }

  #carryOut(effects: MemberEffects): void {
    const { write, messages, afterWrite, fetchSnapshot } = effects;
    if (write) {
      this.disk.submit(write);
      this.#lastSeq = write.seq;
    }
    this.#send(messages);
    if (afterWrite.length > 0) {
      if (this.#writtenSeq === this.#lastSeq) this.#send(afterWrite);
      else this.#afterWrite.push({ seq: this.#lastSeq, messages: afterWrite });
    }
    if (write && this.disk.idle) this.#sync();
    for (const { id, reply } of effects.replies) this.#answer(id, reply);
    for (const id of effects.readable) this.#answer(id, true);
    for (const { id, lives } of effects.alive) this.#answer(id, lives);
    for (const id of effects.lost) this.#answer(id, undefined);
    for (const { id, problem } of effects.done) this.#answer(id, problem);
    if (fetchSnapshot && !this.#fetching) this.#fetch(fetchSnapshot.from, fetchSnapshot.index);
  }

  #sync(): void {
    if (this.#broken || !this.disk.hasWaiting) return;
    this.disk.beginSync();
    this.#later(this.#around.syncMs(), () => {
      if (this.#broken) return;
      this.#writtenSeq = this.disk.endSync();
      while (this.#afterWrite.length > 0 && this.#afterWrite[0]!.seq <= this.#writtenSeq) this.#send(this.#afterWrite.shift()!.messages);
      this.step({ kind: 'written', seq: this.#writtenSeq });
      if (this.disk.idle) this.#sync();
    });
  }

  /** Takes over another server's snapshot when all that was to be written before is written. */
  #fetch(from: ServerId, index: number): void {
    const { network, random } = this.#around;
    this.#fetching = true;
    const end = (event: MemberEvent): void => {
      this.#fetching = false;
      this.step(event);
    };
    const install = (): void => {
      const peer = this.#around.server(from);
      const snapshot = peer?.disk.snapshot;
      if (!peer?.up || !snapshot || snapshot.mark.index < index || network.isCut(from, this.id)) return end({ kind: 'snapshotFailed' });
      if (!this.disk.idle || this.disk.hasWaiting) return this.#later(1, install);
      this.disk.replaceBy(snapshot);
      const state = restoreSnapshot(structuredClone(snapshot.tree));
      end({ kind: 'snapshotLoaded', mark: snapshot.mark, state, events: snapshot.events });
    };
    this.#later(5 + random.next() * 60, install);
  }

  #send(messages: MemberEffects['messages']): void {
    const { network, server } = this.#around;
    for (const { to, message } of messages) {
      network.send(this.id, to, () => {
        const peer = server(to);
        peer?.hear(() => peer.step({ kind: 'receive', from: this.id, message }));
      });
    }
  }

  /** Runs when this process runs: at once, or when it is let go on. */
  hear(happen: () => void): void {
    if (!this.#member) return;
    if (this.#paused) this.#paused.push(happen);
    else happen();
  }

  #ask<Answer>(answer: (answer: Answer) => void, event: (id: number) => MemberEvent): void {
    const id = this.#nextWait++;
    this.#waits.set(id, answer as (answer: never) => void);
    this.step(event(id));
  }

  #answer(id: number, answer: unknown): void {
    const wait = this.#waits.get(id);
    this.#waits.delete(id);
    wait?.(answer as never);
  }

  #tickLater(life: number): void {
    this.#around.timeline.after(TICK_MS * this.#clockRate, () => {
      if (life !== this.#life) return;
      // A process that stands still misses its ticks.
      if (!this.#paused) this.step({ kind: 'tick' });
      this.#tickLater(life);
    });
  }

  #later(ms: number, happen: () => void): void {
    const life = this.#life;
    this.#around.timeline.after(ms, () => {
      if (life === this.#life) this.hear(happen);
    });
  }

  #now(): Now {
    const monotonicMs = this.#monotonicMs();
    return { monotonicMs, wallMs: 1_000_000 + Math.floor(monotonicMs) + this.wallOffsetMs };
  }

  #monotonicMs(): number {
    const { ownMs, virtualMs } = this.#clock;
    return ownMs + (this.#around.timeline.nowMs - virtualMs) / this.#clockRate;
  }
}
