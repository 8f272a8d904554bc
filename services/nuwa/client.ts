import { type Logger, silentLogger } from '../base/log.ts';
import { createKuafuClient } from '../kuafu/client.ts';
import { type KuafuClient, KuafuError } from '../kuafu/contract.ts';
import type { Identity } from '../kuafu/guard-contract.ts';
import {
  assertConnect,
  assertName,
  assertOperations,
  assertOptions,
  assertPath,
  assertValue,
  CREATE,
  DELETE,
  FOLLOW,
  LOCK,
  PAGE,
  READ,
  SET,
  WAIT,
  WATCH,
} from './client/arguments.ts';
import { followNodes } from './client/follow.ts';
import { listAll } from './client/list.ts';
import { RegistrationKeeper, type RegistrationPort } from './client/registration.ts';
import { nuwaResolver } from './client/resolver.ts';
import { connectServers, type NuwaRpc } from './client/rpc.ts';
import { encodeServiceInfo } from './client/service-info.ts';
import { SessionKeeper } from './client/session-keeper.ts';
import { type OpenSession, Sessions } from './client/sessions.ts';
import { Watches } from './client/watches.ts';
import {
  type Barrier,
  type CreateOptions,
  type Followed,
  type HeldLock,
  type Leadership,
  type LockOptions,
  type NuwaClient,
  NuwaError,
  type NuwaEvent,
  type NuwaNode,
  type NuwaSession,
  type Operation,
  type Presence,
  type ReadOptions,
  type Registration,
  SERVICES_PATH,
  SESSION_TTL_MS_DEFAULT,
  type ServiceInfo,
} from './contract.ts';
import type { RequestId } from './core/tree/command.ts';
import { childProblem } from './core/tree/path.ts';
import { DoubleBarrier } from './recipes/barrier.ts';
import type { RecipeContext } from './recipes/context.ts';
import { elect, observe } from './recipes/election.ts';
import { lock } from './recipes/lock.ts';
import { nextNumber } from './recipes/sequence.ts';

export { keepFollowing } from './client/keep-following.ts';
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
  /** Whom the calls are made as. @default nobody */
  identity?: Identity;
  log?: Logger;
}

/** Nuwa starts beside its clients, and later than some of them. */
const CONNECT_TIMEOUT_MS = 30_000;
/** A client that goes does not wait long to say so: its session expires anyway. */
const CLOSE_TIMEOUT_MS = 1_000;

export async function connectNuwa(options: ConnectOptions): Promise<NuwaClient> {
  assertConnect(options);
  const {
    addresses,
    cluster,
    creator,
    ttlMs = SESSION_TTL_MS_DEFAULT,
    timeoutMs = CONNECT_TIMEOUT_MS,
    identity,
    log = silentLogger,
  } = options;
  let client: Client | undefined;
  const { rpc, kuafu } = connectServers({ addresses, cluster, identity, log, onSuspect: () => client?.serverSuspected() });
  const openSession = async (signal?: AbortSignal): Promise<SessionKeeper> => {
    const session = new SessionKeeper({ rpc, ttlMs, creator, log });
    await session.open(timeoutMs, signal);
    return session;
  };
  try {
    client = new Client({ rpc, kuafu, log, session: await openSession(), openSession });
    return client;
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
  identity?: Identity;
  log?: Logger;
}): Promise<{ nuwa: NuwaClient; kuafu: KuafuClient; leave(): Promise<void> }> {
  assertConnect({ ...options, addresses: options?.nuwa });
  const { nuwa: addresses, cluster, identity, log = silentLogger } = options;
  const nuwa = await connectNuwa({ ...options, addresses });
  const kuafu = createKuafuClient({ resolver: nuwaResolver(nuwa, { cluster, log }), identity, log });
  const leave = async (): Promise<void> => {
    await kuafu.close();
    await nuwa.close();
  };
  return { nuwa, kuafu, leave };
}

class Client implements NuwaClient {
  readonly #rpc: NuwaRpc;
  readonly #kuafu: KuafuClient;
  readonly #log: Logger;
  readonly #sessions: Sessions;
  readonly #watches: Watches;
  readonly #recipes: RecipeContext;
  readonly #registrations = new Set<RegistrationKeeper>();
  readonly #closing = new AbortController();
  /** The latest revision that a server told us of. */
  #seenRevision = 0;
  #closed: Promise<void> | undefined;

  constructor(from: { rpc: NuwaRpc; kuafu: KuafuClient; log: Logger; session: SessionKeeper; openSession: OpenSession }) {
    const { rpc, log } = from;
    this.#rpc = rpc;
    this.#kuafu = from.kuafu;
    this.#log = log;
    this.#sessions = new Sessions(from.session, from.openSession, this.#closing.signal);
    this.#watches = new Watches(rpc, this.#closing.signal, () => this.#seenRevision);
    this.#recipes = { rpc, log, sessions: this.#sessions, watches: this.#watches };
  }

  /** A call failed at a server and goes to another. */
  serverSuspected(): void {
    this.#watches.move();
  }

  get session(): NuwaSession {
    return this.#sessions.main;
  }

  async create(path: string, value: Uint8Array, options: CreateOptions = {}): Promise<{ path: string; revision: number }> {
    assertPath(path);
    assertValue(value);
    assertOptions(options, CREATE);
    const { ephemeral, sequential, parents, container, ttlMs } = options;
    const session = await this.#sessionFor(ephemeral);
    return this.#seen(session.write((id) => this.#rpc.create({ ...id, path, value, ephemeral, sequential, parents, container, ttlMs })));
  }

  async get(path: string, options: ReadOptions = {}): Promise<NuwaNode> {
    assertPath(path);
    assertOptions(options, READ);
    return (await this.#seen(this.#rpc.get({ path, stale: options.stale }))).node;
  }

  async set(path: string, value: Uint8Array, options: { version?: number } = {}): Promise<{ version: number; revision: number }> {
    assertPath(path);
    assertValue(value);
    assertOptions(options, SET);
    const session = await this.#sessions.live();
    return this.#seen(session.write((id) => this.#rpc.set({ ...id, path, value, version: options.version })));
  }

  async delete(path: string, options: { version?: number; recursive?: boolean } = {}): Promise<{ revision: number }> {
    assertPath(path);
    assertOptions(options, DELETE);
    const session = await this.#sessions.live();
    const { version, recursive } = options;
    return this.#seen(session.write((id) => this.#rpc.delete({ ...id, path, version, recursive })));
  }

  async transact(operations: readonly Operation[]): Promise<{ revision: number; results: { path?: string; version?: number }[] }> {
    assertOperations(operations);
    const session = await this.#sessionFor(operations.some((operation) => operation.kind === 'create' && operation.ephemeral));
    return this.#seen(session.write((id) => this.#rpc.transact({ ...id, operations: [...operations] })));
  }

  async list(path: string, options: ReadOptions = {}): Promise<{ children: NuwaNode[]; revision: number }> {
    assertPath(path);
    assertOptions(options, READ);
    const { children, revision } = await this.#seen(listAll(this.#rpc, path, undefined, options.stale));
    return { children, revision };
  }

  async listPage(
    path: string,
    options: ReadOptions & { after?: string; limit?: number } = {},
  ): Promise<{ children: NuwaNode[]; next?: string; revision: number }> {
    assertPath(path);
    assertOptions(options, PAGE);
    const { after, limit, stale } = options;
    return await this.#seen(this.#rpc.list({ path, after, limit, stale }));
  }

  watch(path: string, options: WatchArguments = {}): AsyncIterable<NuwaEvent> {
    assertPath(path);
    assertOptions(options, WATCH);
    const { recursive, afterRevision, signal } = options;
    return this.#watches.watch(path, { recursive, afterRevision, signal });
  }

  async watchOnce(path: string, options: WatchArguments = {}): Promise<NuwaEvent> {
    assertPath(path);
    assertOptions(options, WATCH);
    options.signal?.throwIfAborted();
    for await (const event of this.watch(path, options)) return event;
    options.signal?.throwIfAborted();
    throw new KuafuError('Unavailable', 'the client is closed');
  }

  follow(path: string, options: { recursive?: boolean; signal?: AbortSignal } = {}): AsyncIterable<Followed> {
    assertPath(path);
    assertOptions(options, FOLLOW);
    const { recursive = false, signal } = options;
    return followNodes({ watches: this.#watches, path, recursive, signal, log: this.#log });
  }

  async register(service: string, instance: string, info: ServiceInfo): Promise<Registration> {
    return this.#keep(`${SERVICES_PATH}/${nameOf('service', service)}/${nameOf('instance', instance)}`, encodeServiceInfo(info));
  }

  async present(path: string, value: Uint8Array): Promise<Presence> {
    assertPath(path);
    return this.#keep(path, value);
  }

  async #keep(path: string, value: Uint8Array): Promise<RegistrationKeeper> {
    assertValue(value);
    const registration = new RegistrationKeeper(path, value, this.#registrationPort(), this.#log);
    await registration.start();
    this.#registrations.add(registration);
    return registration;
  }

  async lock(path: string, options?: LockOptions): Promise<HeldLock> {
    assertPath(path);
    assertOptions(options, LOCK);
    return await lock(this.#recipes, path, options);
  }

  async elect(path: string, value: Uint8Array, options?: { signal?: AbortSignal }): Promise<Leadership> {
    assertPath(path);
    assertValue(value);
    assertOptions(options, WAIT);
    return await elect(this.#recipes, path, value, options);
  }

  observe(path: string, options: { signal?: AbortSignal } = {}): AsyncIterable<{ value: Uint8Array; token: number } | undefined> {
    assertPath(path);
    assertOptions(options, WAIT);
    return observe(this.#recipes, path, options.signal);
  }

  barrier(path: string, parties: number): Barrier {
    assertPath(path);
    return new DoubleBarrier(this.#recipes, path, parties);
  }

  sequence(path: string): { next(): Promise<number> } {
    assertPath(path);
    return { next: () => nextNumber(this.#recipes, path) };
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    for (const registration of this.#registrations) registration.stop();
    await this.#sessions.close(CLOSE_TIMEOUT_MS);
    await this.#kuafu.close();
  }

  /** What is to be owned belongs to the session that callers see; everything else to whichever lives. */
  async #sessionFor(owned: boolean | undefined): Promise<SessionKeeper> {
    const { main } = this.#sessions;
    if (!owned) return this.#sessions.live();
    if (main.state === 'expired') throw new NuwaError('NoSession', `session ${main.id} expired`);
    return main;
  }

  async #seen<T extends { revision: number }>(reply: Promise<T>): Promise<T> {
    const told = await reply;
    if (told.revision > this.#seenRevision) this.#seenRevision = told.revision;
    return told;
  }

  #registrationPort(): RegistrationPort {
    const write = <T>(call: (id: RequestId) => Promise<T>): Promise<T> => this.#sessions.write(call);
    return {
      createOwned: (path, value, replace) =>
        write((id) => this.#rpc.create({ ...id, path, value, ephemeral: true, parents: true, replace })),
      setOwned: (path, value, createRevision) => write((id) => this.#rpc.set({ ...id, path, value, createRevision })),
      deleteOwned: (path, createRevision) => write((id) => this.#rpc.delete({ ...id, path, createRevision })),
      get: (path) => this.#rpc.get({ path }),
      watch: (path, options) => this.watch(path, options),
    };
  }
}

/** What stands in a `nuwa://` address. Errors: BadArguments. */
function nameOf(what: string, name: string): string {
  assertName(what === 'service' ? 'a service' : 'an instance', name);
  const problem = name.includes('/') ? 'it is one name, without /' : childProblem(`/${name}`, name);
  if (problem !== undefined)
    throw new NuwaError('BadArguments', `${JSON.stringify(name)} is no name of ${what === 'service' ? 'a' : 'an'} ${what}: ${problem}`);
  return name;
}

type WatchArguments = { recursive?: boolean; afterRevision?: number; signal?: AbortSignal };
