import { type Random, seededRandom } from '../../../../../services/base/random.ts';
import { memberOf, votersOf } from '../../../../../services/nuwa/core/raft/members.ts';
import { Raft } from '../../../../../services/nuwa/core/raft/raft.ts';
import type {
  DiskWrite,
  Effects,
  Entry,
  GroupConfig,
  GroupMember,
  HardState,
  Outgoing,
  RaftEvent,
  ServerId,
  SnapshotMark,
} from '../../../../../services/nuwa/core/raft/types.ts';

/**
 * A bare group of Rafts in which everything that may go wrong does, from one seed: messages are lost, doubled and put out of order, disks
 * are slow, servers crash and lose what was not on the disk, snapshots, transfers and changes of the group come at any time. After each
 * step the properties of figure 3.2 of the dissertation are checked, and linearizability of reads (section 6.4).
 */
export interface RandomGroupOptions {
  seed: number;
  servers: number;
  /** Members come and go. */
  changes: boolean;
}

interface Peer {
  readonly id: ServerId;
  raft: Raft;
  disk: { hardState: HardState; snapshot: SnapshotMark; entries: Entry[] };
  /** Writes under way, each with what may be sent after it. */
  writes: { write: DiskWrite | undefined; messages: Outgoing[] }[];
  /** The log as issued: what the disk will hold when all writes are done. */
  log: Entry[];
  appliedIndex: number;
  fetch: { from: ServerId; index: number } | undefined;
}

export class RandomGroup {
  readonly #random: Random;
  readonly #changes: boolean;
  readonly #peers = new Map<ServerId, Peer>();
  #network: { from: ServerId; to: ServerId; message: Outgoing['message'] }[] = [];
  /** By index: what was applied there by anybody, first. */
  readonly #applied: Entry[] = [];
  readonly #leaders = new Map<number, ServerId>();
  readonly #reads = new Map<number, { at: ServerId; appliedIndex: number }>();
  #lastRead = 0;
  #lastServer: number;
  #now = 0;
  readonly #electionTicks: number;
  readonly #slowness: number;
  readonly #cuts = new Set<string>();
  readonly #weights: [action: (peer: Peer) => void, weight: number][];
  readonly #weightsTotal: number;
  readonly seen = { applied: 0, reads: 0, terms: 0, snapshots: 0, changes: 0, crashes: 0, transfers: 0 };

  constructor({ seed, servers, changes }: RandomGroupOptions) {
    this.#random = seededRandom(seed);
    this.#changes = changes;
    this.#electionTicks = 3 + this.#random.int(8);
    this.#slowness = this.#random.int(2) * 9;
    this.#lastServer = servers;
    const members: GroupMember[] = [];
    for (let i = 1; i <= servers; i++) members.push({ id: `s${i}`, address: `a${i}`, role: 'voter' });
    for (const { id } of members) this.#add(id, { members });
    this.#weights = this.#drawWeights();
    this.#weightsTotal = this.#weights.reduce((sum, [, weight]) => sum + weight, 0);
  }

  #add(id: ServerId, config: GroupConfig): void {
    const disk = { hardState: { term: 0, vote: undefined }, snapshot: { index: 0, term: 0, config }, entries: [] };
    const peer: Peer = { id, disk, raft: this.#boot(id, disk), writes: [], log: [], appliedIndex: 0, fetch: undefined };
    this.#peers.set(id, peer);
  }

  #boot(id: ServerId, { hardState, snapshot, entries }: Peer['disk']): Raft {
    return new Raft({
      id,
      stored: { hardState, snapshot, entries },
      timing: { electionTicks: this.#electionTicks, heartbeatTicks: 2 },
      limits: { appendBytesMax: 20, inflightMax: 3, keptBytesMax: 30 },
      random: this.#random,
    });
  }

  /** Things happen at random. */
  run(steps: number): void {
    for (let i = 0; i < steps; i++) this.#happen();
  }

  /** Faults end: messages come once and in order, disks are quick, nobody crashes. The group must find a leader and commit. */
  settle(): void {
    const before = this.#applied.length;
    for (let i = 0; i < 400; i++) {
      for (const peer of this.#peers.values()) {
        this.#step(peer, { kind: 'tick' });
        this.#step(peer, { kind: 'propose', timeMs: this.#now++, payloads: [new Uint8Array(3)] });
        if (peer.fetch) this.#load(peer);
        while (peer.writes.length > 0) this.#write(peer);
      }
      for (const { from, to, message } of this.#network.splice(0)) {
        const peer = this.#peers.get(to);
        if (peer) this.#step(peer, { kind: 'receive', from, message });
      }
    }
    const leader = [...this.#peers.values()].filter(({ raft }) => raft.role === 'leader').at(-1);
    if (!leader) throw new Error(`no leader after the faults ended:\n${this.#statuses()}`);
    if (this.#applied.length < before + 100) throw new Error(`only ${this.#applied.length - before} entries after the faults ended`);
    for (const { id } of leader.raft.status().config.members) {
      const behind = this.#applied.length - this.#peers.get(id)!.appliedIndex;
      if (behind > 20) throw new Error(`${id} is ${behind} entries behind after the faults ended`);
    }
  }

  #statuses(): string {
    return [...this.#peers.values()].map(({ raft, fetch }) => JSON.stringify({ ...raft.status(), fetch })).join('\n');
  }

  #happen(): void {
    let dice = this.#random.int(this.#weightsTotal);
    for (const [action, weight] of this.#weights) {
      if ((dice -= weight) < 0) {
        action(this.#pick([...this.#peers.values()]));
        return;
      }
    }
  }

  /**
   * What happens how often is drawn anew for each seed: a schedule of everything at once hides faults that need much of one thing and
   * nothing of another.
   */
  #drawWeights(): [action: (peer: Peer) => void, weight: number][] {
    const upTo = (most: number): number => (this.#random.int(3) === 0 ? 0 : this.#random.int(most));
    return [
      [(peer) => this.#tick(peer), 60 + this.#random.int(300)],
      [() => this.#deliver(), 300 + this.#random.int(500)],
      [(peer) => this.#write(peer), 50 + this.#random.int(300)],
      [(peer) => this.#propose(peer), 20 + this.#random.int(100)],
      [(peer) => this.#read(peer), upTo(150)],
      [(peer) => this.#crash(peer), upTo(20)],
      [(peer) => this.#compact(peer), upTo(20)],
      [(peer) => this.#load(peer), 10],
      [(peer) => this.#step(peer, { kind: 'peerLost', peer: this.#pick([...this.#peers.keys()]) }), upTo(20)],
      [(peer) => this.#transfer(peer), upTo(20)],
      [(peer) => this.#change(peer), this.#changes ? 10 + this.#random.int(40) : 0],
      [(peer) => this.#step(peer, { kind: 'campaign' }), upTo(10)],
      [(peer) => this.#cut(peer), upTo(10)],
      [() => this.#cuts.clear(), 2],
    ];
  }

  /** The first server's clock may be slow: a leader that does not notice how long it has been cut off. */
  #tick(peer: Peer): void {
    if (peer.id === 's1' && this.#random.int(10) < this.#slowness) return;
    this.#step(peer, { kind: 'tick' });
  }

  /** From now on it does not hear one other, or hears nobody and is not heard. */
  #cut(peer: Peer): void {
    this.#cuts.clear();
    const whole = this.#random.int(3) > 0;
    for (const other of whole ? this.#peers.keys() : [this.#pick([...this.#peers.keys()])]) {
      this.#cuts.add(`${other} ${peer.id}`);
      if (whole) this.#cuts.add(`${peer.id} ${other}`);
    }
  }

  #pick<T>(all: readonly T[]): T {
    return all[this.#random.int(all.length)]!;
  }

  /** Usually one of the oldest messages; some are lost, some stay to come again. */
  #deliver(): void {
    if (this.#network.length === 0) return;
    const at = this.#random.int(10) < 8 ? 0 : this.#random.int(this.#network.length);
    const { from, to, message } = this.#network[at]!;
    const cut = this.#cuts.has(`${from} ${to}`);
    if (cut || this.#random.int(20) > 0) this.#network.splice(at, 1);
    if (cut || this.#random.int(20) === 0) return;
    if (this.#network.length > 400) this.#network = this.#network.slice(200);
    const peer = this.#peers.get(to);
    if (peer) this.#step(peer, { kind: 'receive', from, message });
  }

  #write(peer: Peer): void {
    const next = peer.writes.shift();
    if (!next) return;
    const { write, messages } = next;
    for (const each of messages) this.#network.push({ from: peer.id, ...each });
    if (!write) return;
    if (write.hardState) peer.disk.hardState = write.hardState;
    peer.disk.entries = withEntries(peer.disk.entries, write.entries);
    this.#step(peer, { kind: 'written', seq: write.seq });
  }

  #propose(peer: Peer): void {
    const payloads = Array.from({ length: 1 + this.#random.int(4) }, () => new Uint8Array(this.#random.int(15)));
    this.#step(peer, { kind: 'propose', timeMs: this.#now++, payloads });
  }

  #read(peer: Peer): void {
    const id = ++this.#lastRead;
    this.#reads.set(id, { at: peer.id, appliedIndex: this.#applied.length });
    const { leader, term } = peer.raft;
    if (leader === undefined || leader === peer.id) this.#step(peer, { kind: 'read', id });
    else {
      const asked = this.#peers.get(leader);
      if (asked) this.#step(asked, { kind: 'read', id, from: peer.id, term });
    }
  }

  /** What was not on the disk is lost; of the write under way, a part may be there. */
  #crash(peer: Peer): void {
    this.seen.crashes++;
    const torn = peer.writes[0]?.write;
    if (torn && this.#random.int(2) === 0) {
      if (torn.hardState) peer.disk.hardState = torn.hardState;
      peer.disk.entries = withEntries(peer.disk.entries, torn.entries.slice(0, this.#random.int(torn.entries.length + 1)));
    }
    peer.writes = [];
    peer.fetch = undefined;
    peer.log = [...peer.disk.entries];
    peer.appliedIndex = peer.disk.snapshot.index;
    peer.raft = this.#boot(peer.id, peer.disk);
  }

  #compact(peer: Peer): void {
    const index = peer.appliedIndex - this.#random.int(3);
    if (index <= peer.disk.snapshot.index) return;
    this.seen.snapshots++;
    const config = this.#configAt(peer, index);
    peer.disk.snapshot = { index, term: this.#applied[index - 1]!.term, config };
    peer.disk.entries = peer.disk.entries.filter((entry) => entry.index > index);
    peer.log = peer.log.filter((entry) => entry.index > index);
    this.#step(peer, { kind: 'compacted', index });
  }

  #configAt(peer: Peer, index: number): GroupConfig {
    for (let at = index; at > peer.disk.snapshot.index; at--) {
      const { config } = this.#applied[at - 1]!;
      if (config) return config;
    }
    return peer.disk.snapshot.config;
  }

  #load(peer: Peer): void {
    if (!peer.fetch || peer.writes.length > 0) return;
    const { from, index } = peer.fetch;
    peer.fetch = undefined;
    const snapshot = this.#peers.get(from)?.disk.snapshot;
    if (!snapshot || snapshot.index < index || this.#random.int(4) === 0) {
      this.#step(peer, { kind: 'snapshotFailed' });
      return;
    }
    peer.disk.snapshot = snapshot;
    peer.disk.entries = [];
    peer.log = [];
    peer.appliedIndex = snapshot.index;
    this.#step(peer, { kind: 'snapshotLoaded', mark: snapshot });
  }

  #transfer(peer: Peer): void {
    const { refused } = this.#step(peer, { kind: 'transfer', to: this.#pick([...this.#peers.keys()]) });
    if (refused === undefined) this.seen.transfers++;
  }

  #change(peer: Peer): void {
    if (!this.#changes || peer.raft.role !== 'leader') return;
    const { config } = peer.raft.status();
    const learner = config.members.find(({ role }) => role === 'learner');
    const dice = this.#random.int(3);
    let effects: Effects;
    if (learner && dice > 0)
      effects = this.#step(peer, { kind: 'changeMembers', timeMs: this.#now, change: { kind: 'promote', id: learner.id } });
    else if (dice === 0 && votersOf(config).length > 2) {
      effects = this.#step(peer, {
        kind: 'changeMembers',
        timeMs: this.#now,
        change: { kind: 'remove', id: this.#pick(config.members).id },
      });
    } else {
      if (learner || config.members.length > 5) return;
      const id = `s${++this.#lastServer}`;
      effects = this.#step(peer, { kind: 'changeMembers', timeMs: this.#now, change: { kind: 'add', id, address: id } });
      if (effects.refused === undefined) this.#add(id, { members: [] });
    }
    if (effects.refused === undefined) this.seen.changes++;
  }

  #step(peer: Peer, event: RaftEvent): Effects {
    const effects = peer.raft.step(event);
    for (const each of effects.messages) this.#network.push({ from: peer.id, ...each });
    if (effects.write || effects.afterWrite.length > 0) peer.writes.push({ write: effects.write, messages: effects.afterWrite });
    if (effects.write) peer.log = withEntries(peer.log, effects.write.entries);
    if (effects.fetchSnapshot) peer.fetch = effects.fetchSnapshot;
    this.#checkLeader(peer);
    for (const entry of effects.committed) this.#apply(peer, entry);
    for (const { id, index } of effects.readable) {
      const { appliedIndex } = this.#reads.get(id)!;
      if (index < appliedIndex) throw new Error(`stale read at ${peer.id}: index ${index}, ${appliedIndex} were applied when it began`);
      this.seen.reads++;
    }
    return effects;
  }

  /** Election safety and leader completeness. */
  #checkLeader(peer: Peer): void {
    if (peer.raft.role !== 'leader') return;
    const { term } = peer.raft;
    const other = this.#leaders.get(term);
    if (other === peer.id) return;
    if (other !== undefined) throw new Error(`election safety: ${other} and ${peer.id} lead in term ${term}`);
    this.#leaders.set(term, peer.id);
    this.seen.terms++;
    for (const entry of this.#applied) {
      if (entry.index <= peer.disk.snapshot.index || entry.term >= term) continue;
      if (peer.log[entry.index - peer.disk.snapshot.index - 1] !== entry) {
        throw new Error(`leader completeness: ${peer.id} leads in term ${term} without entry ${entry.index} of term ${entry.term}`);
      }
    }
  }

  /** State machine safety, and that it is on the disks of a majority of the voters of some configuration that it could be counted by. */
  #apply(peer: Peer, entry: Entry): void {
    if (entry.index !== peer.appliedIndex + 1) throw new Error(`${peer.id} applies ${entry.index} after ${peer.appliedIndex}`);
    peer.appliedIndex = entry.index;
    const first = this.#applied[entry.index - 1];
    if (first && first !== entry) throw new Error(`state machine safety: ${peer.id} applies another entry at ${entry.index}`);
    if (peer.disk.entries[entry.index - peer.disk.snapshot.index - 1] !== entry)
      throw new Error(`${peer.id} applies what is not on its disk`);
    if (first) return;
    if (entry.index !== this.#applied.length + 1)
      throw new Error(`${peer.id} applies ${entry.index} first, ${this.#applied.length} are applied`);
    this.#applied.push(entry);
    this.seen.applied++;
    if (!this.#changes) this.#checkCopies(peer, entry);
  }

  #checkCopies(peer: Peer, entry: Entry): void {
    const voters = votersOf(peer.raft.status().config);
    const copies = voters.filter((id) => {
      const { disk } = this.#peers.get(id)!;
      return disk.snapshot.index >= entry.index || disk.entries[entry.index - disk.snapshot.index - 1] === entry;
    });
    if (copies.length * 2 <= voters.length) throw new Error(`entry ${entry.index} is applied with copies on ${copies.join(', ')} only`);
  }

  /** Log matching: where two disks agree on an entry's index and term, they agree on all before. */
  checkLogs(): void {
    const peers = [...this.#peers.values()];
    for (const a of peers) for (const b of peers) if (a.id < b.id) checkMatching(a.log, b.log, `${a.id} and ${b.id}`);
    for (const { id, raft } of peers) {
      const { config } = raft.status();
      if (memberOf(config, id)?.role === 'learner' && raft.role !== 'follower') throw new Error(`${id} is a learner and ${raft.role}`);
    }
  }
}

function withEntries(log: readonly Entry[], entries: readonly Entry[]): Entry[] {
  if (entries.length === 0) return [...log];
  return [...log.filter(({ index }) => index < entries[0]!.index), ...entries];
}

function checkMatching(a: readonly Entry[], b: readonly Entry[], who: string): void {
  const offset = (a[0]?.index ?? 0) - (b[0]?.index ?? 0);
  let matched = false;
  for (let i = a.length - 1; i >= 0; i--) {
    const other = b[i + offset];
    if (!other) continue;
    if (matched && other !== a[i]) throw new Error(`log matching: ${who} differ at ${other.index} and agree later`);
    if (other.term === a[i]!.term) matched = true;
  }
}
