import { type Random, seededRandom } from '../../../services/base/random.ts';
import { TICK_MS } from '../../../services/nuwa/core/member/settings.ts';
import type { MemberStatus } from '../../../services/nuwa/core/member/types.ts';
import type { GroupConfig, ServerId } from '../../../services/nuwa/core/raft/types.ts';
import { Checks } from './checks.ts';
import { type ClientSurroundings, SimClient, TTL_MS } from './client.ts';
import { mustHold } from './failure.ts';
import { drawFaults, type FaultPlan } from './faults.ts';
import { FAIR, Network } from './network.ts';
import { MemberRaces } from './races.ts';
import { SimServer, type Surroundings } from './server.ts';
import { Timeline } from './timeline.ts';
import { Locks } from './work/locks.ts';
import { Registers } from './work/registers.ts';
import { Sequences } from './work/sequences.ts';
import { Watchers } from './work/watchers.ts';

export interface SimulationOptions {
  seed: number;
  /** Virtual milliseconds with faults. @default 1_500 */
  faultyMs?: number;
  trace?: (line: string) => void;
}

export interface SimulationReport {
  virtualMs: number;
  elections: number;
  changes: number;
  operations: number;
  grants: number;
  fenced: number;
  watched: number;
}

/** Of the shortest election timeout; clocks run apart by 15 % each way. */
const LEASE_SHARE = 0.6;
/** How old what clients know of the group's members may be. */
const LIST_MS = 50;
/** After the faults: time for an election, for dead clients' sessions to expire, and for all to come to rest. */
const HEALED_MS = 1_500 + 2 * TTL_MS;
/** For so much of it clients go on: an election, and a while in which what the faults left behind is read and written. Where nothing goes wrong, more of the same shows nothing new. */
const WORK_ON_MS = 800;

/** A whole group with its clients from one seed, under faults, then healed; throws PropertyBroken where a property does not hold. */
export function simulate({ seed, faultyMs = 1_500, trace }: SimulationOptions): SimulationReport {
  return new Simulation(seed, trace).run(faultyMs);
}

class Simulation {
  readonly #random: Random;
  readonly #plan: FaultPlan;
  readonly #timeline = new Timeline();
  readonly #network: Network;
  readonly #servers = new Map<ServerId, SimServer>();
  readonly #checks: Checks;
  readonly #around: Surroundings;
  /** Whom clients ask: who is in the group, as far as anybody knows it is committed. */
  #listed: readonly SimServer[] = [];
  readonly #clients: SimClient[] = [];
  readonly #trace: ((line: string) => void) | undefined;
  #ending = false;
  #faulty = true;
  #lastServer: number;
  readonly #registers = new Registers();
  readonly #sequences = new Sequences();
  readonly #watchers = new Watchers();
  readonly #locks = new Locks();

  constructor(seed: number, trace: ((line: string) => void) | undefined) {
    this.#random = seededRandom(seed);
    this.#plan = drawFaults(this.#random);
    this.#network = new Network(this.#timeline, this.#random, this.#plan.weather);
    const { timing, lease, keptBytesMax, inflightMax, appendBytesMax, ringEvents, servers } = this.#plan;
    const nowMs = (): number => this.#timeline.nowMs;
    this.#trace = trace && ((line) => trace(`${nowMs().toFixed(1).padStart(8)} ${line}`));
    this.#trace?.(JSON.stringify(this.#plan));
    this.#checks = new Checks(() => [...this.#servers.values()], {
      fixed: this.#plan.changeEveryMs === 0,
      nowMs,
    });
    this.#around = {
      timeline: this.#timeline,
      network: this.#network,
      random: this.#random,
      checks: this.#checks,
      settings: {
        timing: { ...timing, leaseMs: lease ? timing.electionTicks * TICK_MS * LEASE_SHARE : 0 },
        limits: { keptBytesMax, inflightMax, appendBytesMax },
        ring: { eventsMax: ringEvents, bytesMax: 1 << 24 },
      },
      syncMs: () => 0.2 + this.#random.next() * this.#plan.syncMsMax,
      server: (id) => this.#servers.get(id),
      ...(this.#trace ? { trace: this.#trace } : {}),
    };
    this.#lastServer = servers;
    const ids = Array.from({ length: servers }, (_, i) => `s${i + 1}`);
    const config: GroupConfig = { members: ids.map((id) => ({ id, address: id, role: 'voter' })) };
    for (const id of ids) this.#addServer(id, config);
  }

  run(faultyMs: number): SimulationReport {
    for (const server of this.#servers.values()) server.start();
    this.#list();
    this.#servers.get('s1')!.step({ kind: 'campaign' });
    for (let i = 0; i < 3; i++) this.#registers.run(this.#addClient(`register${i}`), 'all');
    for (let i = 0; i < 2; i++) this.#registers.run(this.#addClient(`reader${i}`), 'reads');
    this.#sequences.run(this.#addClient('sequence0'));
    this.#sequences.run(this.#addClient('sequence1'));
    this.#watchers.run(this.#addClient('watcher0'));
    this.#watchers.run(this.#addClient('watcher1'));
    for (let i = 0; i < 2; i++) this.#locks.run(this.#addClient(`lock${i}`));
    this.#planFaults();
    this.#runUntil(faultyMs);
    this.#heal();
    this.#runUntil(faultyMs + WORK_ON_MS);
    this.#ending = true;
    this.#runUntil(faultyMs + HEALED_MS);
    this.#checkEnd();
    return {
      virtualMs: this.#timeline.nowMs,
      elections: this.#checks.leaders,
      changes: this.#checks.events.length,
      operations: this.#registers.operations,
      grants: this.#locks.grants,
      fenced: this.#locks.fenced,
      watched: this.#watchers.events,
    };
  }

  #runUntil(ms: number): void {
    while (this.#timeline.step(ms));
  }

  // ---- who is there ----

  #addServer(id: ServerId, config: GroupConfig): SimServer {
    const server = new SimServer(id, config, this.#around);
    const { clockDrift, wallJumps } = this.#plan;
    server.clockRate = 1 + (this.#random.next() * 2 - 1) * clockDrift;
    if (wallJumps) server.wallOffsetMs = this.#random.int(100_000);
    this.#servers.set(id, server);
    return server;
  }

  /** A server that was never taken in, or that was removed, answers nobody: clients would ask it in vain to the end. */
  #list(): void {
    const all = [...this.#servers.values()];
    let best: MemberStatus | undefined;
    for (const { member } of all) {
      const status = member?.status();
      if (status && status.config.members.length > 0 && status.commitIndex >= (best?.commitIndex ?? 0)) best = status;
    }
    const members = best?.config.members;
    this.#listed = members ? all.filter(({ id }) => members.some((member) => member.id === id)) : all;
    if (this.#plan.changeEveryMs > 0) this.#timeline.after(LIST_MS, () => this.#list());
  }

  #addClient(name: string): SimClient {
    const simulation = this;
    const around: ClientSurroundings = {
      timeline: this.#timeline,
      network: this.#network,
      random: this.#random,
      servers: () => this.#listed,
      get ending() {
        return simulation.#ending;
      },
      sessionClosedAtMs: (session) => this.#checks.sessionClosedAtMs(session),
      clockDrift: this.#plan.clockDrift,
    };
    const client = new SimClient(name, around);
    this.#clients.push(client);
    return client;
  }

  #someServer(): SimServer {
    const all = [...this.#servers.values()];
    return all[this.#random.int(all.length)]!;
  }

  // ---- what goes wrong ----

  #planFaults(): void {
    const plan = this.#plan;
    this.#every(plan.crashEveryMs, () => this.#crash());
    this.#every(plan.rivalryEveryMs, () => this.#rivals());
    this.#every(plan.pauseEveryMs, () => this.#pause());
    this.#every(plan.partitionEveryMs, () => this.#partition());
    this.#every(plan.compactEveryMs, () => this.#someServer().compact());
    this.#every(plan.transferEveryMs, () => this.#someServer().transfer(this.#someServer().id));
    this.#every(plan.brokenDiskEveryMs, () => this.#breakDisk());
    this.#every(plan.clientDeathEveryMs, () => this.#killClient());
    this.#every(plan.changeEveryMs, () => this.#changeMembers());
    const races = new MemberRaces({
      timeline: this.#timeline,
      network: this.#network,
      random: this.#random,
      servers: () => [...this.#servers.values()],
      over: () => !this.#faulty,
      trace: this.#trace,
    });
    this.#every(plan.raceEveryMs, () => races.run());
    if (plan.wallJumps) this.#every(400, () => this.#jump());
  }

  #every(meanMs: number, happen: () => void): void {
    if (meanMs === 0) return;
    const next = (): void => {
      this.#timeline.after(meanMs * (0.2 + 1.6 * this.#random.next()), () => {
        if (!this.#faulty) return;
        happen();
        next();
      });
    };
    next();
  }

  #crash(): void {
    // Now and then all at once: what was acknowledged must be on the disks.
    if (this.#random.int(6) === 0) for (const server of this.#servers.values()) this.#kill(server);
    else this.#kill(this.#someServer());
    // One who just gave its vote, or its word, to who comes next.
    if (this.#random.next() < this.#plan.secondDeaths) this.#timeline.after(this.#random.next() * 80, () => this.#kill(this.#someServer()));
  }

  #kill(server: SimServer): void {
    if (!server.up) return;
    server.crash();
    // Over a connection that breaks, its peers hear of it at once.
    if (this.#random.int(2) === 0)
      for (const peer of this.#servers.values()) peer.hear(() => peer.step({ kind: 'peerLost', peer: server.id }));
    this.#timeline.after(2 + this.#random.next() * this.#plan.awayMsMax, () => this.#restart(server));
  }

  #restart(server: SimServer): void {
    if (server.up) return;
    this.#trace?.(`${server.id} starts`);
    server.start();
  }

  /** A group that starts: all but one run at once and need the vote of that one, who dies when it has given it and is back in time for the other. */
  #rivals(): void {
    const leads = ({ member, id }: SimServer): boolean => member?.leader === id;
    const voters = [...this.#servers.values()].filter((server) => !leads(server));
    const voter = voters[this.#random.int(voters.length)];
    if (!voter) return;
    this.#trace?.(`all others run against ${voter.id}`);
    for (const server of this.#servers.values()) {
      server.crash();
      this.#restart(server);
      if (server !== voter) server.step({ kind: 'campaign' });
    }
    for (let deaths = 0; deaths < 3; deaths++)
      this.#timeline.after(5 + this.#random.next() * 60, () => {
        voter.crash();
        this.#restart(voter);
      });
  }

  #pause(): void {
    const server = this.#someServer();
    server.pause();
    this.#trace?.(`${server.id} stands still`);
    this.#timeline.after(50 + this.#random.next() * 900, () => server.resume());
  }

  #partition(): void {
    if (this.#random.next() < this.#plan.lonelyLeaders) return this.#isolateLeader();
    const ids = [...this.#servers.keys()];
    const side = new Set(ids.filter(() => this.#random.int(2) === 0));
    const oneWay = this.#random.int(3) === 0;
    const clients = this.#clients.map(({ name }) => name);
    for (const name of clients) if (this.#random.int(2) === 0) side.add(name);
    this.#trace?.(`cut ${oneWay ? 'one way ' : ''}around ${[...side].filter((each) => ids.includes(each)).join()}`);
    for (const a of [...ids, ...clients]) {
      for (const b of ids) {
        if (side.has(a) === side.has(b)) continue;
        if (!oneWay || side.has(a)) this.#network.cut(a, b);
        if (!oneWay || side.has(b)) this.#network.cut(b, a);
      }
    }
    this.#timeline.after(100 + this.#random.next() * 900, () => this.#network.heal());
  }

  #isolateLeader(): void {
    const leader = [...this.#servers.values()].find(({ member, id }) => member?.leader === id);
    if (!leader) return;
    this.#trace?.(`${leader.id} is alone`);
    const clients = this.#clients.filter(() => this.#random.int(2) === 0).map(({ name }) => name);
    for (const other of [...this.#servers.keys(), ...clients]) {
      if (other === leader.id) continue;
      this.#network.cut(leader.id, other);
      this.#network.cut(other, leader.id);
    }
    const trouble = this.#random.int(4);
    const slow = !this.#plan.lease && trouble > 1;
    if (slow) leader.clockRate = 4;
    // It stands still, goes on where it was, and answers what came meanwhile: others may lead by then.
    const stillMs = trouble === 1 ? 400 + this.#random.next() * 1_000 : 0;
    if (stillMs > 0) {
      leader.pause();
      this.#timeline.after(stillMs, () => leader.resume());
    }
    this.#timeline.after(Math.max(stillMs + 50, 200 + this.#random.next() * 1_000), () => {
      this.#network.heal();
      if (slow) leader.clockRate = 1;
    });
  }

  #breakDisk(): void {
    const server = this.#someServer();
    if (!server.up) return;
    this.#trace?.(`the disk of ${server.id} fails`);
    server.breakDisk();
    this.#timeline.after(200 + this.#random.next() * 800, () => {
      server.crash();
      this.#restart(server);
    });
  }

  #killClient(): void {
    const client = this.#clients[this.#random.int(this.#clients.length)]!;
    if (client.name.startsWith('watcher')) return;
    this.#trace?.(`${client.name} dies`);
    client.die();
  }

  #jump(): void {
    this.#someServer().wallOffsetMs += this.#random.int(20_000) - 10_000;
  }

  #changeMembers(): void {
    const leader = [...this.#servers.values()].find(({ member, id }) => member?.leader === id);
    if (!leader?.member) return;
    const { members } = leader.member.status().config;
    const learner = members.find(({ role }) => role === 'learner');
    const answer = (problem: string | undefined): void => this.#trace?.(`change: ${problem ?? 'done'}`);
    if (learner) return leader.changeMembers({ kind: 'promote', id: learner.id }, answer);
    if (members.length > 3 && this.#random.int(2) === 0) {
      const victim = members[this.#random.int(members.length)]!;
      return leader.changeMembers({ kind: 'remove', id: victim.id }, answer);
    }
    if (members.length >= 5) return;
    const id = `s${++this.#lastServer}`;
    const added = this.#addServer(id, { members: [] });
    added.start();
    leader.changeMembers({ kind: 'add', id, address: id }, (problem) => {
      answer(problem);
      if (problem === undefined) return;
      added.crash();
      this.#servers.delete(id);
    });
  }

  // ---- the end ----

  #heal(): void {
    this.#trace?.('all is well again');
    this.#faulty = false;
    this.#network.heal();
    this.#network.weather = FAIR;
    for (const server of this.#servers.values()) {
      server.resume();
      // A broken disk is exchanged for its process's restart.
      if (server.broken) server.crash();
      this.#restart(server);
    }
  }

  #checkEnd(): void {
    const leader = [...this.#servers.values()].find(({ member, id }) => member?.leader === id);
    mustHold(leader !== undefined, 'liveness', () => 'nobody leads after the faults ended');
    const config = leader.member!.status().config;
    const members = config.members.map(({ id }) => this.#servers.get(id)!);
    for (const { id, member } of members) {
      const behind = leader.member!.state.index - member!.state.index;
      mustHold(behind === 0, 'liveness', () => `${id} is ${behind} entries behind ${leader.id} after all came to rest`);
    }
    for (const client of this.#clients) {
      mustHold(client.dead || !client.busy, 'liveness', () => `${client.name} still waits for an answer`);
      client.checkSessions();
      const open = leader.member!.state.sessions.has(client.session);
      mustHold(!client.dead || !open, 'session expiry', () => `the session ${client.session} of ${client.name}, who is dead, is open`);
    }
    this.#checks.equalTrees(members);
    this.#registers.check();
    this.#sequences.check(this.#checks.events);
    this.#watchers.check(this.#checks.events, this.#plan.ringEvents < 1_000);
  }
}
