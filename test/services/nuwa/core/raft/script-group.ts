import { Raft } from '../../../../../services/nuwa/core/raft/raft.ts';
import type {
  DiskWrite,
  Effects,
  Entry,
  GroupConfig,
  GroupMember,
  MemberChange,
  Outgoing,
  RaftEvent,
  RaftMessage,
  RaftStored,
  ServerId,
} from '../../../../../services/nuwa/core/raft/types.ts';

/**
 * Runs scripts: a group of Rafts whose messages and disks move only when the script says so, and a line of trace for everything that
 * a server asks for.
 *
 *     group S1 S2 S3 [learner S4]       who is in the group; begins a script
 *     new S5                            a server that knows no group
 *     log S1 term 3 vote S2: 1 1 2      what is on its disk when it starts: the terms of its entries
 *     S1 ticks 10                       S1 campaigns      S1 proposes x y      S1 crashes (and starts again)
 *     S1 reads 7                        S1 answers S2's read 7 [of term 3]
 *     S1 adds S4 | promotes S4 | removes S4 | moves S4    S1 hands over to S2    S1 loses S2 (the connection)
 *     S1 compacts 5                     S1 loads 5 (the snapshot it was to fetch)      S1 fails to load
 *     deliver S1 to S2 [n]              what is under way between them, once (the n-th only)
 *     repeat S1 to S2 [n]               delivers, but leaves it under way         lose S1 to S2 [n]
 *     write S1 [1]                      what S1's disk was given is done (the first only)
 *     cut S1 [S2]                       nothing comes through from now on         join
 *     settle                            deliveries and writes, until nothing is under way
 *     quietly <command>                 without its trace                         status
 */
export class ScriptGroup {
  readonly #servers = new Map<ServerId, ScriptServer>();
  readonly #cuts = new Set<string>();
  #network: { from: ServerId; to: ServerId; message: RaftMessage }[] = [];
  #config: GroupConfig = { members: [] };
  #trace: string[] = [];
  #now = 0;

  /** @returns the trace of one command. */
  run(command: string): string[] {
    this.#trace = [];
    if (command.startsWith('quietly ')) {
      this.run(command.slice('quietly '.length));
      return [];
    }
    this.#run(command.split(' '), command);
    return this.#trace;
  }

  #run(words: string[], command: string): void {
    const [first, second, third, fourth, fifth] = words as [string, string, string, string, string];
    if (first === 'group') {
      const learners = words.indexOf('learner');
      const members = words.slice(1).filter((id) => id !== 'learner');
      const role = (i: number): GroupMember['role'] => (learners > 0 && i + 1 >= learners ? 'learner' : 'voter');
      this.#config = { members: members.map((id, i) => ({ id, address: `at-${id}`, role: role(i) })) };
      for (const id of members) this.#servers.set(id, new ScriptServer(id, storedOf(this.#config, [])));
    } else if (first === 'new') {
      this.#servers.set(second, new ScriptServer(second, storedOf({ members: [] }, [])));
    } else if (first === 'log') {
      const terms = command.slice(command.indexOf(':') + 1).trim();
      const vote = words.indexOf('vote');
      const stored = storedOf(this.#config, terms === '' ? [] : terms.split(' ').map(Number), Number.parseInt(fourth, 10));
      const voted = vote > 0 ? words[vote + 1]!.replace(':', '') : undefined;
      this.#servers.set(second, new ScriptServer(second, { ...stored, hardState: { term: stored.hardState.term, vote: voted } }));
    } else if (first === 'deliver' || first === 'repeat' || first === 'lose') this.#move(first, second, fourth, fifth);
    else if (first === 'write') this.#write(this.#server(second), Number(third ?? Number.POSITIVE_INFINITY));
    else if (first === 'cut') this.#cut(second, third);
    else if (first === 'join') this.#cuts.clear();
    else if (first === 'settle') this.#settle();
    else if (first === 'status') for (const server of this.#servers.values()) this.#trace.push(server.status());
    else this.#event(this.#server(first), words, command);
  }

  #server(id: ServerId): ScriptServer {
    const server = this.#servers.get(id);
    if (!server) throw new Error(`no server ${id}`);
    return server;
  }

  #event(server: ScriptServer, [, verb, third, , fifth]: string[], command: string): void {
    const timeMs = this.#now;
    const change = (each: MemberChange): void => this.#step(server, { kind: 'changeMembers', timeMs, change: each });
    switch (verb) {
      case 'ticks':
        for (let i = 0; i < Number(third ?? 1); i++) this.#step(server, { kind: 'tick' });
        return;
      case 'campaigns':
        return this.#step(server, { kind: 'campaign' });
      case 'proposes': {
        const payloads = command.split(' ').slice(2);
        return this.#step(server, { kind: 'propose', timeMs, payloads: payloads.map((text) => new TextEncoder().encode(text)) });
      }
      case 'reads':
        return this.#step(server, { kind: 'read', id: Number(third) });
      case 'answers':
        return this.#step(server, {
          kind: 'read',
          id: Number(fifth),
          from: third!.replace("'s", ''),
          term: Number(command.split(' of term ')[1] ?? server.raft.term),
        });
      case 'adds':
        return change({ kind: 'add', id: third!, address: `at-${third}` });
      case 'promotes':
        return change({ kind: 'promote', id: third! });
      case 'removes':
        return change({ kind: 'remove', id: third! });
      case 'moves':
        return change({ kind: 'move', id: third!, address: `now-${third}` });
      case 'hands':
        return this.#step(server, { kind: 'transfer', to: fifth! });
      case 'loses':
        return this.#step(server, { kind: 'peerLost', peer: third! });
      case 'compacts':
        server.compact(Number(third));
        return this.#step(server, { kind: 'compacted', index: Number(third) });
      case 'loads': {
        const other = [...this.#servers.values()].find(({ stored }) => stored.snapshot.index === Number(third));
        if (!other) throw new Error(`nobody has a snapshot of ${third}`);
        server.stored = { hardState: server.stored.hardState, snapshot: other.stored.snapshot, entries: [] };
        return this.#step(server, { kind: 'snapshotLoaded', mark: other.stored.snapshot });
      }
      case 'fails':
        return this.#step(server, { kind: 'snapshotFailed' });
      case 'crashes':
        return server.crash();
      default:
        throw new Error(`no such command: ${command}`);
    }
  }

  #step(server: ScriptServer, event: RaftEvent): void {
    const before = server.state();
    const effects = server.raft.step(event);
    this.#trace.push(...linesOf(server, before, effects));
    for (const { to, message } of effects.messages) this.#network.push({ from: server.id, to, message });
    if (effects.write || effects.afterWrite.length > 0) server.writes.push({ write: effects.write, messages: effects.afterWrite });
  }

  #write(server: ScriptServer, count: number): void {
    for (const { write, messages } of server.writes.splice(0, count)) {
      for (const { to, message } of messages) this.#network.push({ from: server.id, to, message });
      if (!write) continue;
      server.store(write);
      this.#step(server, { kind: 'written', seq: write.seq });
    }
  }

  #move(how: 'deliver' | 'repeat' | 'lose', from: ServerId, to: ServerId, nth: string | undefined): void {
    const all = this.#network.filter((each) => each.from === from && each.to === to);
    const moved = nth === undefined ? all : all.slice(Number(nth) - 1, Number(nth));
    if (moved.length === 0) throw new Error(`nothing is under way from ${from} to ${to}`);
    if (how !== 'repeat') this.#network = this.#network.filter((each) => !moved.includes(each));
    if (how !== 'lose') for (const { message } of moved) this.#receive(from, to, message);
  }

  #receive(from: ServerId, to: ServerId, message: RaftMessage): void {
    if (this.#cuts.has(`${from} ${to}`)) return;
    const server = this.#servers.get(to);
    if (server) this.#step(server, { kind: 'receive', from, message });
  }

  #cut(one: ServerId, other: ServerId | undefined): void {
    for (const id of other ? [other] : this.#servers.keys()) this.#cuts.add(`${one} ${id}`).add(`${id} ${one}`);
  }

  #settle(): void {
    while (this.#network.length > 0 || [...this.#servers.values()].some(({ writes }) => writes.length > 0)) {
      for (const server of this.#servers.values()) this.#write(server, server.writes.length);
      for (const { from, to, message } of this.#network.splice(0)) this.#receive(from, to, message);
    }
  }
}

function storedOf(config: GroupConfig, terms: number[], term = terms.at(-1) ?? 0): RaftStored {
  const entries = terms.map((each, i): Entry => {
    return { index: i + 1, term: each, kind: 'commands', timeMs: 0, data: new TextEncoder().encode(`${i + 1}/${each}`) };
  });
  return { hardState: { term, vote: undefined }, snapshot: { index: 0, term: 0, config }, entries };
}

class ScriptServer {
  readonly id: ServerId;
  raft: Raft;
  stored: RaftStored;
  writes: { write: DiskWrite | undefined; messages: Outgoing[] }[] = [];

  constructor(id: ServerId, stored: RaftStored) {
    this.id = id;
    this.stored = stored;
    this.raft = this.#boot();
  }

  #boot(): Raft {
    return new Raft({
      id: this.id,
      stored: this.stored,
      timing: { electionTicks: 10, heartbeatTicks: 3 },
      limits: { appendBytesMax: 12, inflightMax: 3, keptBytesMax: 6 },
      // No luck: the shortest timeout always.
      random: { next: () => 0, int: () => 0 },
    });
  }

  store({ hardState, entries }: DiskWrite): void {
    const first = entries[0]?.index ?? Number.POSITIVE_INFINITY;
    this.stored = {
      hardState: hardState ?? this.stored.hardState,
      snapshot: this.stored.snapshot,
      entries: [...this.stored.entries.filter(({ index }) => index < first), ...entries],
    };
  }

  compact(index: number): void {
    const { hardState, snapshot, entries } = this.stored;
    const gone = entries.filter((entry) => entry.index <= index);
    const config = gone.findLast((entry) => entry.config)?.config ?? snapshot.config;
    const mark = { index, term: gone.at(-1)!.term, config };
    this.stored = { hardState, snapshot: mark, entries: entries.filter((entry) => entry.index > index) };
  }

  crash(): void {
    this.writes = [];
    this.raft = this.#boot();
  }

  state(): string {
    const { role, term, leader } = this.raft;
    return `${role}, term ${term}${leader === undefined || leader === this.id ? '' : `, follows ${leader}`}`;
  }

  status(): string {
    const { lastIndex, commitIndex, config, progress } = this.raft.status();
    const followers = progress.map(({ id, state, matchIndex, active }) => `${id} ${state} ${matchIndex}${active ? '' : ' silent'}`);
    const members = config.members.map(({ id, role }) => (role === 'voter' ? id : `(${id})`)).join(' ');
    return [`${this.id}: ${this.state()}; ${commitIndex} of ${lastIndex} committed; group ${members}`, ...followers].join('; ');
  }
}

function linesOf(server: ScriptServer, before: string, effects: Effects): string[] {
  const { id } = server;
  const lines: string[] = [];
  const say = (line: string): void => void lines.push(`${id} ${line}`);
  if (server.state() !== before) say(`is ${server.state()}`);
  if (effects.refused !== undefined) say(`refuses: ${effects.refused}`);
  if (effects.proposed) say(`proposed ${effects.proposed.firstIndex}/${effects.proposed.term}`);
  if (effects.write) say(`writes #${effects.write.seq}:${hardStateText(effects.write)}${entriesText(effects.write.entries)}`);
  for (const { to, message } of effects.messages) say(`→ ${to}: ${messageText(message)}`);
  for (const { to, message } of effects.afterWrite) say(`⇢ ${to}: ${messageText(message)}`);
  if (effects.committed.length > 0) say(`applies${entriesText(effects.committed)}`);
  for (const read of effects.readable) say(`may answer read ${read.id}${read.from ? ` of ${read.from}` : ''} at ${read.index}`);
  for (const read of effects.readsLost) say(`lost read ${read.id}${read.from ? ` of ${read.from}` : ''}`);
  if (effects.fetchSnapshot) say(`fetches the snapshot of ${effects.fetchSnapshot.from}, of at least ${effects.fetchSnapshot.index}`);
  return lines;
}

function hardStateText({ hardState }: DiskWrite): string {
  return hardState ? ` term ${hardState.term}, vote ${hardState.vote ?? 'none'}` : '';
}

function entriesText(entries: readonly Entry[]): string {
  return entries.map((entry) => ` [${entry.index}/${entry.term}${contentText(entry)}]`).join('');
}

function contentText({ kind, data, config, index, term }: Entry): string {
  if (kind === 'noop') return ' noop';
  if (config) return ` ${config.members.map(({ id, role }) => (role === 'voter' ? id : `(${id})`)).join(' ')}`;
  const text = new TextDecoder().decode(data);
  return text === `${index}/${term}` ? '' : ` ${text}`;
}

function messageText(message: RaftMessage): string {
  const of = `of term ${message.term}`;
  switch (message.kind) {
    case 'vote':
      return `${message.pre ? 'pre-vote' : 'vote'}? ${of}, last ${message.lastIndex}/${message.lastTerm}${message.force ? ', forced' : ''}`;
    case 'voteReply':
      return `${message.pre ? 'pre-vote' : 'vote'} ${message.granted ? 'granted' : 'refused'} ${of}`;
    case 'append': {
      const { prevIndex, prevTerm, entries, commit, round } = message;
      return `append ${of} after ${prevIndex}/${prevTerm}:${entriesText(entries)} commit ${commit}, round ${round}`;
    }
    case 'appendReply': {
      const { round, accepted, matchIndex, conflictIndex, conflictTerm } = message;
      if (accepted) return `has ${matchIndex} ${of}, round ${round}`;
      const conflict =
        conflictIndex === undefined ? '' : `, try ${conflictIndex}${conflictTerm === undefined ? '' : ` (term ${conflictTerm})`}`;
      return `lacks ${matchIndex} ${of}, round ${round}${conflict}`;
    }
    case 'snapshot':
      return `snapshot ${of} up to ${message.index}/${message.indexTerm}, round ${message.round}`;
    case 'timeoutNow':
      return `run now ${of}`;
  }
}
