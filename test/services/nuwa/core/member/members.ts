import { seededRandom } from '../../../../../services/base/random.ts';
import type { NuwaEvent } from '../../../../../services/nuwa/contract.ts';
import { MEMBER_TIMING, Member, TICK_MS } from '../../../../../services/nuwa/core/member/member.ts';
import type { MemberEffects, MemberEvent, PeerMessage } from '../../../../../services/nuwa/core/member/types.ts';
import type {
  DiskWrite,
  Entry,
  GroupConfig,
  HardState,
  RaftLimits,
  ServerId,
  SnapshotMark,
} from '../../../../../services/nuwa/core/raft/types.ts';
import type { Command, Reply } from '../../../../../services/nuwa/core/tree/command.ts';
import { restoreSnapshot, type Snapshot, takeSnapshot } from '../../../../../services/nuwa/core/tree/snapshot.ts';
import { newState } from '../../../../../services/nuwa/core/tree/state.ts';

export const ELECTION_TICKS = MEMBER_TIMING.electionTicks;
/** Nobody waits longer than this for a leader. */
export const PATIENCE_TICKS = 2 * ELECTION_TICKS + 2;

/** What a server's disk holds, and what is on its way to it. */
class MemoryDisk {
  hardState: HardState = { term: 0, vote: undefined };
  entries: Entry[] = [];
  snapshot: { mark: SnapshotMark; tree: Snapshot; events: NuwaEvent[] };
  waiting: DiskWrite[] = [];

  constructor(config: GroupConfig) {
    this.snapshot = { mark: { index: 0, term: 0, config }, tree: takeSnapshot(newState()), events: [] };
  }

  sync(): number | undefined {
    const seq = this.waiting.at(-1)?.seq;
    for (const { hardState, entries } of this.waiting.splice(0)) {
      if (hardState) this.hardState = hardState;
      if (entries.length > 0) this.entries = [...this.entries.filter(({ index }) => index < entries[0]!.index), ...entries];
    }
    return seq;
  }
}

export class Node {
  readonly id: ServerId;
  readonly disk: MemoryDisk;
  member!: Member;
  boots = 0;
  down = false;
  /** Its disk takes its time until told otherwise. */
  slowDisk = false;
  afterWrite: MemberEffects['afterWrite'] = [];
  readonly replies = new Map<number, Reply>();
  readonly readable: number[] = [];
  readonly alive = new Map<number, boolean>();
  readonly lost: number[] = [];
  readonly done = new Map<number, string | undefined>();
  readonly events: NuwaEvent[] = [];
  eventsMissed = 0;
  leaderChanges = 0;
  fetch: { from: ServerId; index: number } | undefined;

  constructor(id: ServerId, config: GroupConfig) {
    this.id = id;
    this.disk = new MemoryDisk(config);
  }
}

/** A group of members in memory, driven by hand: nothing happens but what a test says, in the order that it says. */
export class Members {
  readonly nodes = new Map<ServerId, Node>();
  nowMs = 1_000_000;
  /** Messages under way, in their order. */
  wire: { from: ServerId; to: ServerId; message: PeerMessage }[] = [];
  /** Messages that match are lost. */
  drop: (from: ServerId, to: ServerId, message: PeerMessage) => boolean = () => false;
  readonly #limits: RaftLimits | undefined;
  #nextId = 1;

  constructor(ids: readonly ServerId[], options: { limits?: RaftLimits } = {}) {
    this.#limits = options.limits;
    const config: GroupConfig = { members: ids.map((id) => ({ id, address: `tcp://${id}`, role: 'voter' })) };
    for (const id of ids) this.add(id, config);
  }

  add(id: ServerId, config: GroupConfig): Node {
    const node = new Node(id, config);
    this.nodes.set(id, node);
    this.#boot(node);
    return node;
  }

  node(id: ServerId): Node {
    return this.nodes.get(id)!;
  }

  get leader(): Node | undefined {
    return [...this.nodes.values()].find(({ down, member, id }) => !down && member.leader === id);
  }

  followers(): Node[] {
    return [...this.nodes.values()].filter((node) => node !== this.leader && !node.down);
  }

  /** A group with a leader, who is `id`. */
  elect(id: ServerId): Node {
    this.step(id, { kind: 'campaign' });
    this.settle();
    if (this.leader?.id !== id) throw new Error(`${id} was not elected`);
    return this.node(id);
  }

  /** Loses what was not synced, and who waited. */
  crash(id: ServerId): void {
    const node = this.node(id);
    node.down = true;
    node.disk.waiting = [];
    node.afterWrite = [];
  }

  restart(id: ServerId): Node {
    const node = this.node(id);
    node.down = false;
    this.#boot(node);
    return node;
  }

  step(id: ServerId, event: MemberEvent): void {
    const node = this.node(id);
    if (node.down) return;
    const effects = node.member.step(event, { monotonicMs: this.nowMs, wallMs: this.nowMs });
    const { write, messages, afterWrite, replies, readable, alive, lost, done, events, eventsMissed, leaderChanged, fetchSnapshot } =
      effects;
    if (write) node.disk.waiting.push(write);
    for (const { to, message } of messages) this.wire.push({ from: id, to, message });
    node.afterWrite.push(...afterWrite);
    for (const { id: waiter, reply } of replies) node.replies.set(waiter, reply);
    node.readable.push(...readable);
    for (const { id: waiter, lives } of alive) node.alive.set(waiter, lives);
    node.lost.push(...lost);
    for (const { id: waiter, problem } of done) node.done.set(waiter, problem);
    node.events.push(...events);
    if (eventsMissed) node.eventsMissed++;
    if (leaderChanged) node.leaderChanges++;
    if (fetchSnapshot) node.fetch = fetchSnapshot;
  }

  /** Delivers and syncs until nothing is under way. */
  settle(): void {
    for (let i = 0; i < 10_000; i++) {
      const next = this.wire.shift();
      if (next) {
        if (!this.drop(next.from, next.to, next.message)) this.step(next.to, { kind: 'receive', from: next.from, message: next.message });
        continue;
      }
      const busy = [...this.nodes.values()].filter((node) => !node.down && !node.slowDisk && node.disk.waiting.length > 0);
      if (busy.length === 0) return;
      for (const node of busy) this.sync(node.id);
    }
    throw new Error('the group does not come to rest');
  }

  sync(id: ServerId): void {
    const node = this.node(id);
    const seq = node.disk.sync();
    for (const { to, message } of node.afterWrite.splice(0)) this.wire.push({ from: id, to, message });
    if (seq !== undefined) this.step(id, { kind: 'written', seq });
  }

  tick(ticks = 1): void {
    for (let i = 0; i < ticks; i++) {
      this.nowMs += TICK_MS;
      for (const id of this.nodes.keys()) this.step(id, { kind: 'tick' });
      this.settle();
    }
  }

  tickUntil(condition: () => boolean, ticksMax = 20 * ELECTION_TICKS): void {
    for (let i = 0; i < ticksMax; i++) {
      if (condition()) return;
      this.tick();
    }
    throw new Error(`it did not come about in ${ticksMax} ticks`);
  }

  /** @returns the id of the first. */
  submit(id: ServerId, ...commands: Command[]): number {
    const firstId = this.#nextId;
    this.#nextId += commands.length;
    this.step(id, { kind: 'submit', firstId, commands });
    return firstId;
  }

  read(id: ServerId): number {
    this.step(id, { kind: 'read', ids: [this.#nextId] });
    return this.#nextId++;
  }

  keepAlive(id: ServerId, session: string): number {
    this.step(id, { kind: 'keepAlive', id: this.#nextId, session });
    return this.#nextId++;
  }

  order(
    id: ServerId,
    event: { kind: 'transfer'; to: ServerId } | { kind: 'changeMembers'; change: (MemberEvent & { kind: 'changeMembers' })['change'] },
  ): number {
    this.step(id, { ...event, id: this.#nextId });
    return this.#nextId++;
  }

  /** Keeps a snapshot of what is applied, and drops the log up to there. */
  compact(id: ServerId, eventsKept = 0): void {
    const { disk, member } = this.node(id);
    const { index } = member.state;
    const { term } = disk.entries.find((entry) => entry.index === index)!;
    const events = member.events.after(Math.max(0, member.events.revision - eventsKept), '/', true, Number.POSITIVE_INFINITY).events;
    disk.snapshot = { mark: { index, term, config: member.status().config }, tree: takeSnapshot(member.state), events };
    disk.entries = disk.entries.filter((entry) => entry.index > index);
    this.step(id, { kind: 'compacted', index });
  }

  /** Brings what a server asked for. */
  deliverSnapshot(id: ServerId): void {
    const node = this.node(id);
    const { snapshot } = this.node(node.fetch!.from).disk;
    node.fetch = undefined;
    node.disk.sync();
    node.disk.snapshot = snapshot;
    node.disk.entries = [];
    const state = restoreSnapshot(structuredClone(snapshot.tree));
    this.step(id, { kind: 'snapshotLoaded', mark: snapshot.mark, state, events: snapshot.events });
  }

  #boot(node: Node): void {
    node.boots++;
    const { hardState, snapshot, entries } = node.disk;
    node.member = new Member({
      id: node.id,
      boot: node.boots,
      stored: { hardState, snapshot: snapshot.mark, entries },
      loaded: { state: restoreSnapshot(structuredClone(snapshot.tree)), events: snapshot.events },
      random: seededRandom(node.boots * 100 + [...this.nodes.keys()].indexOf(node.id)),
      ...(this.#limits ? { limits: this.#limits } : {}),
    });
  }
}

export function openSession(session = 's', ttlMs = 5_000): Command {
  return { kind: 'openSession', session, ttlMs, creator: 'test' };
}

export function create(path: string, request: number, options: object = {}): Command {
  return { kind: 'create', path, value: new Uint8Array(0), session: 's', request, settled: 0, ...options };
}
