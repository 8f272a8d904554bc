import type { Random } from '../../../../services/base/random.ts';
import type { Container, ContainersLostSignal, GrantSignal, ResyncSignal } from '../../../../services/fuxi/contract.ts';
import { apply, type FullExchange, type PoolEffect, type PoolEvent } from '../../../../services/fuxi/core/pool.ts';
import { containerOrigin } from '../../../../services/fuxi/core/pool-container.ts';
import { schedule } from '../../../../services/fuxi/core/pool-schedule.ts';
import { createPool, type Pool } from '../../../../services/fuxi/core/pool-state.ts';
import { exchangeOf, nodeOf } from './pool-builders.ts';

type Signal =
  | { name: 'grant'; body: GrantSignal }
  | { name: 'containersLost'; body: ContainersLostSignal }
  | { name: 'resync'; body: ResyncSignal };

/** A TaskMaster as far as FuxiMaster can see it. */
interface TaskMaster {
  name: string;
  state: 'running' | 'ended';
  priority: number;
  cpu: number;
  /** Instances not yet done. */
  work: number;
  /** Said that it wants nothing more: it uses no container from then on. */
  finished: boolean;
  holding: Map<string, Container>;
  sequence: number;
  epoch: string;
  grantSeen: number;
  /** Signals that FuxiMaster has yet to send (lost when it dies), and those the engine has (delivered in order, perhaps twice). */
  unsent: Signal[];
  sent: Signal[];
}

/**
 * One FuxiMaster, its nodes and its TaskMasters, with everything between them delayed, repeated and reordered by a seed.
 * `held` is the truth that the books must follow: what TaskMasters hold or are about to be told that they hold.
 */
export class PoolWorld {
  pool: Pool;
  readonly taskMasters: TaskMaster[] = [];
  readonly #random: Random;
  readonly #cpus: Record<string, number>;
  readonly #up = new Map<string, number>();
  #incarnations = 0;
  /** Exchanges under way, in any order; each stays until it was delivered once. */
  #exchanges: { from: TaskMaster; words: FullExchange }[] = [];
  readonly trace: string[] = [];

  constructor(random: Random) {
    this.#random = random;
    this.#cpus = Object.fromEntries(Array.from({ length: 2 + random.int(3) }, (_, i) => [`node-${i + 1}`, 1 + random.int(4)]));
    this.pool = createPool(1);
    this.#event({ kind: 'expect', taskMasters: [] });
    for (const node of Object.keys(this.#cpus)) this.#nodeUp(node);
  }

  step(): void {
    const random = this.#random;
    const roll = random.int(100);
    if (roll < 4) this.#start();
    else if (roll < 30) this.#taskMaster((master) => this.#tell(master));
    else if (roll < 50) this.deliverExchange();
    else if (roll < 65) this.#taskMaster((master) => this.send(master));
    else if (roll < 80) this.#taskMaster((master) => this.receive(master));
    else if (roll < 92) this.#taskMaster((master) => this.work(master));
    else if (roll < 94) this.#taskMaster((master) => this.#end(master));
    else if (roll < 96) this.sweep();
    else if (roll < 98) this.#restartNode();
    else if (roll < 99) this.restartFuxiMaster();
  }

  /** Everything under way arrives, and what it causes. */
  quieten(): void {
    this.sweep();
    for (let round = 0; round < 4; round++) {
      for (const master of this.#running()) this.#tell(master);
      while (this.#exchanges.length > 0) this.deliverExchange();
      for (const master of this.#running()) {
        while (master.unsent.length > 0) this.send(master);
        while (master.sent.length > 0) this.receive(master);
      }
    }
  }

  /** No more faults: all nodes are there, everything arrives and all work gets done. */
  settle(): void {
    for (const node of Object.keys(this.#cpus)) if (!this.#up.has(node)) this.#nodeUp(node);
    for (let round = 1; round <= 300; round++) {
      this.quieten();
      if (this.#feasible().every((master) => master.work === 0 && master.holding.size === 0)) return;
      for (const master of this.#running()) this.work(master);
    }
    throw new Error(
      `work was left: ${JSON.stringify(this.#running().map(({ name, work, holding }) => ({ name, work, held: holding.size })))}`,
    );
  }

  /** Containers in the hands of TaskMasters or on their way, on Tubos that still live. */
  held(): { container: Container; cpu: number; by: string }[] {
    return this.#running().flatMap((master) => {
      if (master.finished) return [];
      const granted = [...master.unsent, ...master.sent].flatMap((signal) =>
        signal.name === 'grant' && !(signal.body.epoch === master.epoch && signal.body.number <= master.grantSeen)
          ? signal.body.containers
          : [],
      );
      const all = new Map([...master.holding.values(), ...granted].map((container) => [container.id, container]));
      return [...all.values()]
        .filter(({ id, node }) => containerOrigin(id)!.incarnation === String(this.#up.get(node)))
        .map((container) => ({ container, cpu: master.cpu, by: master.name }));
    });
  }

  cpuOf(node: string): number {
    return this.#cpus[node]!;
  }

  deliverExchange(): void {
    const index = this.#random.int(this.#exchanges.length);
    const exchange = this.#exchanges[index];
    if (!exchange) return;
    if (this.#random.int(5) > 0) this.#exchanges.splice(index, 1); // else the reply was lost: it comes again
    this.#event({ kind: 'exchange', exchange: exchange.words });
  }

  send(master: TaskMaster): void {
    const signal = master.unsent[0];
    if (!signal) return;
    if (this.#random.int(5) > 0) master.unsent.shift(); // else the answer was lost: it is sent again
    if (master.state === 'running') master.sent.push(signal);
    else this.#event({ kind: 'gone', taskMaster: runOf(master) });
  }

  receive(master: TaskMaster): void {
    const signal = master.sent.shift();
    if (!signal || master.state === 'ended') return;
    if (signal.name === 'containersLost') for (const id of signal.body.containers) master.holding.delete(id);
    if (signal.name === 'resync') {
      if (signal.body.epoch !== master.epoch) Object.assign(master, { epoch: signal.body.epoch, grantSeen: 0 });
      this.#tell(master);
    }
    if (signal.name !== 'grant') return;
    const { epoch, number, containers } = signal.body;
    if (epoch !== master.epoch) Object.assign(master, { epoch, grantSeen: 0 });
    if (number <= master.grantSeen || master.finished) return;
    master.grantSeen = number;
    for (const container of containers) master.holding.set(container.id, container);
  }

  work(master: TaskMaster): void {
    master.work = Math.max(0, master.work - master.holding.size);
  }

  sweep(): void {
    for (const master of this.taskMasters) if (master.state === 'ended') this.#event({ kind: 'gone', taskMaster: runOf(master) });
  }

  restartFuxiMaster(): void {
    this.trace.push('FuxiMaster is restarted');
    for (const master of this.taskMasters) master.unsent = [];
    this.pool = createPool(this.pool.epoch + 1);
    for (const [node, incarnation] of this.#up) this.#event({ kind: 'nodeUp', node: this.#nodeOf(node, incarnation) });
    this.#event({ kind: 'expect', taskMasters: this.#running().map(runOf) });
    for (const master of this.#running()) master.unsent.push({ name: 'resync', body: { epoch: String(this.pool.epoch) } });
  }

  #start(): void {
    const name = `task-${this.taskMasters.length}`;
    const fresh = { finished: false, holding: new Map(), sequence: 0, epoch: '', grantSeen: 0, unsent: [], sent: [] };
    const { int } = this.#random;
    this.taskMasters.push({ name, state: 'running', priority: 4 + int(2), cpu: 0.5 * (1 + int(4)), work: 1 + int(30), ...fresh });
  }

  #end(master: TaskMaster): void {
    this.trace.push(`${master.name} is terminated`);
    master.state = 'ended';
  }

  /** Gives back what it has no work for and says what it wants, as the workflow does: what is not in `holding` is no longer used. */
  #tell(master: TaskMaster): void {
    const idle = [...master.holding.keys()].slice(master.work);
    for (const id of idle) master.holding.delete(id);
    master.finished = master.work === 0;
    const { name, priority, cpu, epoch, grantSeen } = master;
    const holding = [...master.holding.values()];
    const words = { sequence: ++master.sequence, priority, epoch, grantSeen, want: master.work, holding };
    this.#exchanges.push({ from: master, words: exchangeOf(name, { ...words, resources: { cpu, memoryMiB: 1, virtual: {} } }) });
  }

  #restartNode(): void {
    const nodes = Object.keys(this.#cpus);
    const node = nodes[this.#random.int(nodes.length)]!;
    if (this.#up.has(node) && this.#random.int(2) === 0) {
      this.#up.delete(node);
      this.#event({ kind: 'nodeDown', node, reason: `${node} is gone` });
    } else this.#nodeUp(node);
  }

  #nodeUp(node: string): void {
    const incarnation = ++this.#incarnations;
    this.#up.set(node, incarnation);
    this.#event({ kind: 'nodeUp', node: this.#nodeOf(node, incarnation) });
  }

  #nodeOf(node: string, incarnation: number) {
    return nodeOf(node, this.#cpus[node]!, { incarnation: String(incarnation) });
  }

  #event(event: PoolEvent): void {
    this.trace.push(JSON.stringify(event));
    for (const effect of [...apply(this.pool, event), ...schedule(this.pool)]) this.#queue(effect);
  }

  #queue(effect: PoolEffect): void {
    this.trace.push(`  → ${JSON.stringify(effect)}`);
    const master = this.taskMasters.find((other) => other.name === effect.to.taskWorkflowId)!;
    if (effect.kind === 'grant') master.unsent.push({ name: 'grant', body: effect.signal });
    else master.unsent.push({ name: 'containersLost', body: effect.signal });
  }

  /** Those that ask for no more than some node has. */
  #feasible(): TaskMaster[] {
    const largest = Math.max(...Object.values(this.#cpus));
    return this.#running().filter((master) => master.cpu <= largest);
  }

  #running(): TaskMaster[] {
    return this.taskMasters.filter((master) => master.state === 'running');
  }

  #taskMaster(act: (master: TaskMaster) => void): void {
    const masters = this.taskMasters.slice(-8);
    const master = masters[this.#random.int(masters.length)];
    if (master && (master.state === 'running' || master.unsent.length > 0)) act(master);
  }
}

const runOf = (master: TaskMaster) => ({ taskWorkflowId: master.name, taskRunId: `${master.name}-run` });
