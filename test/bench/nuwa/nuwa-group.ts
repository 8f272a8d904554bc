import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../../infra/cluster/ports.ts';
import { silentLogger } from '../../../services/base/log.ts';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import type { KuafuClient, ServiceClient } from '../../../services/kuafu/contract.ts';
import { nuwaService, type ServerStatus } from '../../../services/nuwa/contract.ts';
import { awaitPort, type ServerProcess, startServer } from './processes.ts';

const FEITIAN = fileURLToPath(new URL('../../../infra/bin/feitian.mjs', import.meta.url));

interface Place {
  id: string;
  port: number;
  zookeeperPort: number;
}

/** A group of Nuwa servers as people run them: processes of the compiled command, each with a directory of its own. */
export class NuwaGroup {
  readonly #dir: string;
  readonly #places: Place[] = [];
  readonly #servers = new Map<string, ServerProcess>();
  readonly #kuafu: KuafuClient = createKuafuClient({ log: silentLogger });

  private constructor(dir: string) {
    this.#dir = dir;
  }

  static async start(dir: string, size: number): Promise<NuwaGroup> {
    const group = new NuwaGroup(dir);
    for (let i = 1; i <= size; i++) await group.#place(`nuwa-${i}`);
    const members = group.#places.map(({ id, port }) => `${id}=tcp://127.0.0.1:${port}`).join(',');
    await Promise.all(group.#places.map(({ id }) => group.begin(id, members)));
    await group.leader();
    return group;
  }

  async #place(id: string): Promise<Place> {
    const place = { id, port: await freePort(), zookeeperPort: await freePort() };
    this.#places.push(place);
    return place;
  }

  get addresses(): string[] {
    return this.#places.filter(({ id }) => this.#servers.has(id)).map(({ port }) => `tcp://127.0.0.1:${port}`);
  }

  get zookeeper(): string[] {
    return this.#places.filter(({ id }) => this.#servers.has(id)).map(({ zookeeperPort }) => `127.0.0.1:${zookeeperPort}`);
  }

  get servers(): ServerProcess[] {
    return [...this.#servers.values()];
  }

  server(id: string): ServerProcess {
    return this.#servers.get(id)!;
  }

  addressOf(id: string): string {
    return `tcp://127.0.0.1:${this.#places.find((place) => place.id === id)!.port}`;
  }

  rpc(id: string): ServiceClient<typeof nuwaService> {
    return this.#kuafu.service(nuwaService, this.addressOf(id));
  }

  /** Starts a server, or starts it again with the files it has. */
  async begin(id: string, members?: string): Promise<void> {
    const { port, zookeeperPort } = this.#places.find((place) => place.id === id)!;
    const env = {
      FEITIAN_DATA: this.dataOf(id),
      FEITIAN_LISTEN: `tcp://127.0.0.1:${port}`,
      FEITIAN_NUWA_ID: id,
      ...(members ? { FEITIAN_NUWA_MEMBERS: members } : {}),
      FEITIAN_ZOOKEEPER: `127.0.0.1:${zookeeperPort}`,
      FEITIAN_NUWA: '',
      // As the others are measured: asking nobody who calls.
      FEITIAN_INSECURE: 'on',
    };
    const server = startServer(id, [process.execPath, FEITIAN, 'run', 'nuwa'], env, join(this.#dir, `${id}.log`));
    this.#servers.set(id, server);
    await awaitPort(port, server);
  }

  /** A server that was never there, which waits to be added. */
  async beginNew(id: string): Promise<void> {
    await this.#place(id);
    await this.begin(id);
  }

  dataOf(id: string): string {
    return join(this.#dir, id);
  }

  async end(id: string): Promise<void> {
    await this.#servers.get(id)?.stop();
    this.#servers.delete(id);
  }

  async status(id: string): Promise<ServerStatus | undefined> {
    return await this.rpc(id)
      .status({}, { timeoutMs: 1_000 })
      .catch(() => undefined);
  }

  /** The name of the server that leads, once one does. */
  async leader(): Promise<string> {
    for (;;) {
      for (const id of this.#servers.keys()) {
        const status = await this.status(id);
        if (status?.role === 'leader') return id;
      }
      await delay(50);
    }
  }

  async stop(): Promise<void> {
    await this.#kuafu.close();
    await Promise.all(this.servers.map((server) => server.stop()));
    await rm(this.#dir, { recursive: true, force: true });
  }
}
