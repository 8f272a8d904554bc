import { hasCode } from '../base/errors.ts';
import { type Logger, silentLogger } from '../base/log.ts';
import { createKuafuClient } from '../kuafu/client.ts';
import type { KuafuClient } from '../kuafu/contract.ts';
import { RegistrationKeeper, type RegistrationPort } from './client/registration.ts';
import { nuwaResolver } from './client/resolver.ts';
import { connectServers, type NuwaRpc } from './client/rpc.ts';
import { SessionKeeper } from './client/session-keeper.ts';
import { watch } from './client/watch.ts';
import {
  type CreateOptions,
  type NuwaClient,
  NuwaError,
  type NuwaEvent,
  type NuwaNode,
  type NuwaSession,
  type Registration,
  SERVICES_PATH,
  SESSION_TTL_MS_DEFAULT,
  type ServiceInfo,
  VALUE_BYTES_MAX,
} from './contract.ts';
import type { RequestId } from './core/tree/command.ts';

export { nuwaResolver } from './client/resolver.ts';

export interface ConnectOptions {
  /** Kuafu addresses of the Nuwa servers, `tcp://host:port`. */
  addresses: readonly string[];
  cluster: string;
  /** Who this is, for people: kept with the nodes it makes. */
  creator: string;
  /** @default SESSION_TTL_MS_DEFAULT */
  ttlMs?: number;
  /** How long to wait for a server at the beginning. @default 30_000 */
  timeoutMs?: number;
  log?: Logger;
}

/** Nuwa starts beside its clients, and later than some of them. */
const CONNECT_TIMEOUT_MS = 30_000;
/** A client that goes does not wait long to say so: its session expires anyway. */
const CLOSE_TIMEOUT_MS = 1_000;

export async function connectNuwa(options: ConnectOptions): Promise<NuwaClient> {
  const { addresses, cluster, creator, ttlMs = SESSION_TTL_MS_DEFAULT, timeoutMs = CONNECT_TIMEOUT_MS, log = silentLogger } = options;
  const { rpc, kuafu } = connectServers({ addresses, cluster, log });
  const openSession = async (signal?: AbortSignal): Promise<SessionKeeper> => {
    const session = new SessionKeeper({ rpc, ttlMs, creator, log });
    await session.open(timeoutMs, signal);
    return session;
  };
  try {
    return new Client({ rpc, kuafu, log, session: await openSession(), openSession });
  } catch (error) {
    await kuafu.close();
    throw error;
  }
}

/** A Nuwa client and a Kuafu client that finds `nuwa://` addresses through it: what every process of a cluster begins with. */
export async function joinCluster(options: {
  cluster: string;
  nuwa: readonly string[];
  creator: string;
  ttlMs?: number;
  timeoutMs?: number;
  log?: Logger;
}): Promise<{ nuwa: NuwaClient; kuafu: KuafuClient; leave(): Promise<void> }> {
  const { nuwa: addresses, cluster, log = silentLogger } = options;
  const nuwa = await connectNuwa({ ...options, addresses });
  const kuafu = createKuafuClient({ resolver: nuwaResolver(nuwa, { cluster, log }), log });
  const leave = async (): Promise<void> => {
    await kuafu.close();
    await nuwa.close();
  };
  return { nuwa, kuafu, leave };
}

type OpenSession = (signal?: AbortSignal) => Promise<SessionKeeper>;

class Client implements NuwaClient {
  readonly #rpc: NuwaRpc;
  readonly #kuafu: KuafuClient;
  readonly #log: Logger;
  readonly #openSession: OpenSession;
  readonly #session: SessionKeeper;
  readonly #registrations = new Set<RegistrationKeeper>();
  readonly #closing = new AbortController();
  /** What changes go out under: `#session`, or its successor once it expired. */
  #current: Promise<SessionKeeper>;
  #closed: Promise<void> | undefined;

  constructor(from: { rpc: NuwaRpc; kuafu: KuafuClient; log: Logger; session: SessionKeeper; openSession: OpenSession }) {
    this.#rpc = from.rpc;
    this.#kuafu = from.kuafu;
    this.#log = from.log;
    this.#openSession = from.openSession;
    this.#session = from.session;
    this.#current = Promise.resolve(from.session);
  }

  /** The session that callers depend on. It is never exchanged for another: when it expires they must hear of it. */
  get session(): NuwaSession {
    return this.#session;
  }

  async create(path: string, value: Uint8Array, options: CreateOptions = {}): Promise<{ path: string; revision: number }> {
    assertFits(value);
    const { ephemeral, sequential, parents } = options;
    if (ephemeral && this.#session.state === 'expired') throw new NuwaError('NoSession', `session ${this.#session.id} expired`);
    const session = ephemeral ? this.#session : await this.#liveSession();
    return session.write((id) => this.#rpc.create({ ...id, path, value, ephemeral, sequential, parents }));
  }

  async get(path: string): Promise<NuwaNode> {
    return (await this.#rpc.get({ path })).node;
  }

  async set(path: string, value: Uint8Array, options: { version?: number } = {}): Promise<{ version: number; revision: number }> {
    assertFits(value);
    const session = await this.#liveSession();
    return session.write((id) => this.#rpc.set({ ...id, path, value, version: options.version }));
  }

  async delete(path: string, options: { version?: number; recursive?: boolean } = {}): Promise<{ revision: number }> {
    const session = await this.#liveSession();
    return session.write((id) => this.#rpc.delete({ ...id, path, version: options.version, recursive: options.recursive }));
  }

  /**
   * Large directories come in pages. `revision` is the first page's: what changed between the pages may be in the children
   * already, and a watch from `revision` on tells it in any case.
   */
  async list(path: string): Promise<{ children: NuwaNode[]; revision: number }> {
    const first = await this.#rpc.list({ path });
    const { children, revision } = first;
    for (let { next } = first; next !== undefined; ) {
      const page = await this.#rpc.list({ path, after: next });
      for (const child of page.children) children.push(child);
      next = page.next;
    }
    return { children, revision };
  }

  watch(path: string, options: { recursive?: boolean; afterRevision?: number; signal?: AbortSignal } = {}): AsyncIterable<NuwaEvent> {
    const { recursive = false, afterRevision, signal } = options;
    const until = signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
    return watch({ rpc: this.#rpc, path, recursive, afterRevision, signal: until });
  }

  async register(service: string, instance: string, info: ServiceInfo): Promise<Registration> {
    const path = `${SERVICES_PATH}/${service}/${instance}`;
    const registration = new RegistrationKeeper(path, info, this.#registrationPort(), this.#log);
    await registration.start();
    this.#registrations.add(registration);
    return registration;
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    for (const registration of this.#registrations) registration.stop();
    const current = await this.#current.catch(() => this.#session);
    const sessions = new Set([this.#session, current]);
    await Promise.all([...sessions].map((session) => session.close(CLOSE_TIMEOUT_MS)));
    await this.#kuafu.close();
  }

  #registrationPort(): RegistrationPort {
    return {
      createOwned: (path, value, replace) =>
        this.#writeLive((id) => this.#rpc.create({ ...id, path, value, ephemeral: true, parents: true, replace })),
      setOwned: (path, value, createRevision) => this.#writeLive((id) => this.#rpc.set({ ...id, path, value, createRevision })),
      deleteOwned: (path, createRevision) => this.#writeLive((id) => this.#rpc.delete({ ...id, path, createRevision })),
      get: (path) => this.#rpc.get({ path }),
      watch: (path, options) => this.watch(path, options),
    };
  }

  /** A change that may as well be made by the next session when this one turns out to have expired. */
  async #writeLive<T>(call: (id: RequestId) => Promise<T>): Promise<T> {
    for (;;) {
      const session = await this.#liveSession();
      try {
        return await session.write(call);
      } catch (error) {
        if (!hasCode(error, 'NoSession') || this.#closing.signal.aborted) throw error;
      }
    }
  }

  async #liveSession(): Promise<SessionKeeper> {
    const current = this.#current;
    const session = await current;
    if (session.state !== 'expired' || this.#closing.signal.aborted) return session;
    // Whoever comes first opens the next one; when that fails, the next caller tries again.
    if (this.#current === current) {
      const next = this.#openSession(this.#closing.signal);
      this.#current = next;
      next.catch(() => {
        if (this.#current === next) this.#current = current;
      });
    }
    return this.#current;
  }
}

function assertFits(value: Uint8Array): void {
  if (value.length > VALUE_BYTES_MAX) throw new NuwaError('ValueTooLarge', `${value.length} bytes, the limit is ${VALUE_BYTES_MAX}`);
}
