import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';
import { freePort } from '../../../infra/cluster/ports.ts';
import { silentLogger } from '../../../services/base/log.ts';
import { connectServers, type NuwaRpc } from '../../../services/nuwa/client/rpc.ts';
import { type ConnectOptions, connectNuwa } from '../../../services/nuwa/client.ts';
import type { NuwaClient, NuwaEvent } from '../../../services/nuwa/contract.ts';
import { type NuwaOptions, startNuwa } from '../../../services/nuwa/server.ts';

export const text = (value: Uint8Array): string => new TextDecoder().decode(value);

export type NuwaServer = Awaited<ReturnType<typeof startNuwa>>;
export interface Place {
  id: string;
  address: string;
}

/** Waits until one of them leads, and the others follow it. */
export async function leaderOf(servers: readonly NuwaServer[]): Promise<NuwaServer> {
  return await vi.waitFor(
    () => {
      const leaders = new Set(servers.map(({ group }) => group.leader));
      const leader = servers.find(({ group }) => leaders.size === 1 && leaders.has(group.id));
      if (!leader) throw new Error(`they follow ${[...leaders]}`);
      return leader;
    },
    { timeout: 15_000, interval: 5 },
  );
}

/** What a test opened, closed after it, latest first. */
export class Harness {
  readonly dir = mkdtempSync(join(tmpdir(), 'nuwa-'));
  #undo: (() => unknown)[] = [() => rmSync(this.dir, { recursive: true })];

  onClose(step: () => unknown): void {
    this.#undo.push(step);
  }

  async close(): Promise<void> {
    for (const step of this.#undo.splice(0).reverse()) await step();
  }

  /** A server within this process, a group of its own. */
  async server(options: { listen?: string } & NuwaOptions = {}): Promise<NuwaServer> {
    const { listen = 'tcp://127.0.0.1:0', ...rest } = options;
    const server = await startNuwa({ cluster: 'test', dataDir: join(this.dir, 'data'), listen }, { log: silentLogger, ...rest });
    this.onClose(() => server.stop());
    return server;
  }

  /** Names and addresses for a group to come. */
  async places(size: number): Promise<Place[]> {
    const places: Place[] = [];
    for (let i = 1; i <= size; i++) places.push({ id: `nuwa-${i}`, address: `tcp://127.0.0.1:${await freePort()}` });
    return places;
  }

  /** One server of a group, within this process. `address`: where it is to answer, its place in `members` unless told otherwise. */
  async member(
    id: string,
    members: readonly Place[],
    options: { address?: string; zookeeper?: string } & NuwaOptions = {},
  ): Promise<NuwaServer> {
    const { address = members.find((place) => place.id === id)!.address, zookeeper, ...rest } = options;
    const config = { cluster: 'test', dataDir: join(this.dir, id), listen: address, nuwaServer: { id, members: [...members], zookeeper } };
    const server = await startNuwa(config, { log: silentLogger, ...rest });
    this.onClose(() => server.stop());
    return server;
  }

  /** A group within this process, with a leader. */
  async group(size: number, optionsOf: (place: Place) => NuwaOptions = () => ({})): Promise<NuwaServer[]> {
    const places = await this.places(size);
    const servers = await Promise.all(places.map((place) => this.member(place.id, places, optionsOf(place))));
    await leaderOf(servers);
    return servers;
  }

  async client(addresses: string | readonly string[], options: Partial<ConnectOptions> = {}): Promise<NuwaClient> {
    const client = await connectNuwa({ addresses: [addresses].flat(), cluster: 'test', creator: 'test', ...options });
    this.onClose(() => client.close());
    return client;
  }

  /** The bare service, for what a client does not do by itself. */
  rpc(address: string): NuwaRpc {
    const { rpc, kuafu } = connectServers({ addresses: [address], cluster: 'test', log: silentLogger });
    this.onClose(() => kuafu.close());
    return rpc;
  }

  /** A process of its own, running a file that stands beside this one. */
  process(file: string, ...args: string[]): Process {
    return this.#spawn([process.execPath, '--import', 'tsx', beside(file), ...args]);
  }

  /** The same, unable to make any file larger than this. */
  processWithFileLimit(fileBytesMax: number, file: string, ...args: string[]): Process {
    // The shell counts in blocks of 512 bytes or of 1024, depending on the shell: it is a limit of this size or half of it.
    const limit = `ulimit -f ${Math.floor(fileBytesMax / 1024)} && exec "$@"`;
    return this.#spawn(['/bin/sh', '-c', limit, 'sh', process.execPath, '--import', 'tsx', beside(file), ...args]);
  }

  #spawn([command, ...args]: string[]): Process {
    const child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const started = new Process(child);
    this.onClose(() => started.kill());
    return started;
  }
}

function beside(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}

export class Process {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  readonly #lines: AsyncIterator<string>;

  constructor(child: ChildProcess) {
    this.child = child;
    this.exited = new Promise((resolve) => child.once('exit', (code) => resolve(code)));
    this.#lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  /** The next line it prints. */
  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`the process ended with ${await this.exited}`);
    return value;
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }
}

/** Takes events until one fulfils the condition, and gives back all that it took. */
export async function takeUntil(events: AsyncIterable<NuwaEvent>, last: (event: NuwaEvent) => boolean): Promise<NuwaEvent[]> {
  const taken: NuwaEvent[] = [];
  for await (const event of events) {
    taken.push(event);
    if (last(event)) break;
  }
  return taken;
}
