import { join } from 'node:path';
import { systemClock } from '../../../../services/base/clock.ts';
import type { NuwaRpc } from '../../../../services/nuwa/client/rpc.ts';
import type { ServerStatus } from '../../../../services/nuwa/contract.ts';
import type { Harness, Place, Process } from '../harness.ts';

const POLL_MS = 10;

/** A group of server processes, each of which can be killed, stopped and started again. */
export class ProcessGroup {
  readonly places: readonly Place[];
  readonly #harness: Harness;
  readonly #processes = new Map<string, Process>();
  readonly #rpcs = new Map<string, NuwaRpc>();

  private constructor(harness: Harness, places: readonly Place[]) {
    this.#harness = harness;
    this.places = places;
    for (const { id, address } of places) this.#rpcs.set(id, harness.rpc(address));
  }

  static async start(harness: Harness, size: number): Promise<ProcessGroup> {
    const group = new ProcessGroup(harness, await harness.places(size));
    await Promise.all(group.places.map(({ id }) => group.start(id)));
    await group.leader();
    return group;
  }

  get ids(): string[] {
    return this.places.map(({ id }) => id);
  }

  get addresses(): string[] {
    return this.places.map(({ address }) => address);
  }

  rpc(id: string): NuwaRpc {
    return this.#rpcs.get(id)!;
  }

  /** Resolves when it answers. */
  async start(id: string): Promise<void> {
    const { address } = this.places.find((place) => place.id === id)!;
    const nuwaServer = JSON.stringify({ id, members: this.places, zookeeper: '127.0.0.1:0' });
    const started = this.#harness.process('run-nuwa.ts', join(this.#harness.dir, id), address, nuwaServer);
    this.#processes.set(id, started);
    await started.line();
  }

  kill(id: string): Promise<void> {
    return this.#processes.get(id)!.kill();
  }

  /** As an operator would: it hands over, and ends by itself. */
  async stop(id: string): Promise<number | null> {
    const { child, exited } = this.#processes.get(id)!;
    child.kill('SIGTERM');
    return await exited;
  }

  signal(id: string, signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#processes.get(id)!.child.kill(signal);
  }

  /** Where it speaks ZooKeeper. */
  async zookeeper(id: string): Promise<string> {
    return (await this.rpc(id).status({})).zookeeper!;
  }

  async status(id: string): Promise<ServerStatus | undefined> {
    return await this.rpc(id)
      .status({}, { timeoutMs: 250 })
      .catch(() => undefined);
  }

  /** Who leads in the highest term that anybody knows of, as soon as somebody says that it does. */
  async leader(among: readonly string[] = this.ids): Promise<string> {
    for (const untilMs = systemClock.monotonicMs() + 30_000; systemClock.monotonicMs() < untilMs; ) {
      const known = (await Promise.all(among.map((id) => this.status(id)))).filter((status) => status !== undefined);
      const term = Math.max(...known.map((status) => status.term));
      const leader = known.find((status) => status.role === 'leader' && status.term === term);
      if (leader) return leader.id;
      await systemClock.sleep(POLL_MS);
    }
    throw new Error(`none of ${among.join(', ')} leads`);
  }

  /** Until all follow one leader and have all that is committed now. */
  async whole(): Promise<void> {
    const leader = (await this.status(await this.leader()))!;
    for (const untilMs = systemClock.monotonicMs() + 30_000; systemClock.monotonicMs() < untilMs; ) {
      const all = await Promise.all(this.ids.map((id) => this.status(id)));
      if (all.every((status) => status?.leader !== undefined && status.appliedIndex >= leader.commitIndex)) return;
      await systemClock.sleep(POLL_MS);
    }
    throw new Error('the group does not become whole again');
  }
}
