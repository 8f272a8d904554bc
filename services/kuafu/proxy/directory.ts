import { hostname, networkInterfaces } from 'node:os';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { type NuwaClient, SERVICES_PATH, serviceInfoSchema } from '../../nuwa/contract.ts';
import { byHost, type RemoteProxy } from '../core/proxy-route.ts';
import { HOSTS_ATTRIBUTE, PROXY_SERVICE } from '../proxy-contract.ts';

const PATH = `${SERVICES_PATH}/${PROXY_SERVICE}`;

/** The proxies of other machines, as Nuwa tells them. While it is away what was known stays; who is not known yet is called directly. */
export class ProxyDirectory {
  readonly #machine: string;
  readonly #log: Logger;
  readonly #known = new Map<string, RemoteProxy>();
  readonly #closing = new AbortController();
  readonly #following: Promise<void>;
  #byHost: ReadonlyMap<string, RemoteProxy> = new Map();

  /** `machine`: this one, which is none of the others. */
  constructor(nuwa: NuwaClient, machine: string, log: Logger) {
    this.#machine = machine;
    this.#log = log;
    this.#following = this.#follow(nuwa).catch((error) => {
      if (!this.#closing.signal.aborted) log.error({ reason: messageOf(error) }, 'proxy.directory.failed');
    });
  }

  get others(): ReadonlyMap<string, RemoteProxy> {
    return this.#byHost;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#following;
  }

  async #follow(nuwa: NuwaClient): Promise<void> {
    for await (const news of nuwa.follow(PATH, { recursive: true, signal: this.#closing.signal })) {
      if (news.kind === 'snapshot') {
        this.#known.clear();
        for (const { path, value } of news.nodes) this.#note(path, value);
      } else if (news.event.kind === 'deleted') this.#known.delete(machineOf(news.event.path));
      else this.#note(news.event.path, news.event.value!);
      this.#byHost = byHost(this.#known.values());
    }
  }

  #note(path: string, value: Uint8Array): void {
    const machine = machineOf(path);
    if (machine === '' || machine === this.#machine) return;
    try {
      const { address, attributes } = serviceInfoSchema.parse(JSON.parse(new TextDecoder().decode(value)));
      this.#known.set(machine, { machine, address, hosts: String(attributes[HOSTS_ATTRIBUTE] ?? '').split(',') });
    } catch (error) {
      this.#known.delete(machine);
      this.#log.warn({ path, reason: messageOf(error) }, 'proxy.directory.not-a-proxy');
    }
  }
}

function machineOf(path: string): string {
  return path.slice(PATH.length + 1);
}

/** Under which this machine may be called from others: its name, and the numbers of its outward interfaces, but for those that mean something only on one wire. */
export function hostsOfMachine(): string[] {
  const numbers = Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).filter(({ internal, address }) => !internal && !address.startsWith('fe80:')).map(({ address }) => address),
  );
  return [hostname(), ...new Set(numbers)];
}
