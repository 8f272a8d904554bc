import { silentLogger } from '../../../../services/base/log.ts';
import { type CallContext, KuafuError, type KuafuServer, type ServiceHandlers } from '../../../../services/kuafu/contract.ts';
import { implement, serve } from '../../../../services/kuafu/server.ts';
import { processNetwork } from '../../../../services/kuafu/transports/memory.ts';
import { type ConnectOptions, connectNuwa } from '../../../../services/nuwa/client.ts';
import { type NuwaClient, NuwaError, nuwaService } from '../../../../services/nuwa/contract.ts';
import { apply } from '../../../../services/nuwa/core/tree/apply.ts';
import type { Command, Done, Reply } from '../../../../services/nuwa/core/tree/command.ts';
import { EventRing } from '../../../../services/nuwa/core/tree/event-ring.ts';
import { parsePath } from '../../../../services/nuwa/core/tree/path.ts';
import { viewChildren, viewNode } from '../../../../services/nuwa/core/tree/read.ts';
import { newState, nodeAt, type TreeNode, type TreeState } from '../../../../services/nuwa/core/tree/state.ts';

/**
 * Several Nuwa servers over one log in memory, for what a client does when servers lag, stand still, refuse or lose replies: each of these is a
 * switch here. What the log says is true; no server has a disk, an election or a clock, and sessions end when the test says so.
 */
export class MemoryGroup {
  readonly log: Command[] = [];
  readonly servers: MemoryServer[] = [];
  readonly #undo: (() => unknown)[] = [];
  static #groups = 0;

  static async start(servers = 3, options: { eventsMax?: number; pageBytes?: number } = {}): Promise<MemoryGroup> {
    const group = new MemoryGroup();
    const id = MemoryGroup.#groups++;
    for (let i = 0; i < servers; i++) group.servers.push(await MemoryServer.start(group, `nuwa-${id}-${i}`, options));
    return group;
  }

  async client(options: Partial<ConnectOptions> = {}): Promise<NuwaClient> {
    const addresses = this.servers.map(({ address }) => address);
    const client = await connectNuwa({ addresses, cluster: 'test', creator: 'test', log: silentLogger, ...options });
    this.#undo.push(() => client.close());
    return client;
  }

  onClose(step: () => unknown): void {
    this.#undo.push(step);
  }

  async close(): Promise<void> {
    for (const step of this.#undo.splice(0).reverse()) await step();
    await Promise.all(this.servers.map((server) => server.close()));
  }

  append(command: Command): number {
    this.log.push(command);
    for (const server of this.servers) server.catchUp();
    return this.log.length;
  }

  /** As if nobody had heard of the session for its TTL. */
  expire(session: string): void {
    this.append({ kind: 'closeSession', session, why: 'expired' });
  }

  /** The server that this client's calls go to now. */
  async serverOf(client: NuwaClient): Promise<MemoryServer> {
    const before = this.servers.map(({ readsAnswered }) => readsAnswered);
    await client.get('/');
    return this.servers.find(({ readsAnswered }, i) => readsAnswered > before[i]!)!;
  }

  calls(method: string): number {
    return this.servers.reduce((sum, { calls }) => sum + (calls.get(method) ?? 0), 0);
  }

  /** Polls that wait for a change now. */
  get waiting(): number {
    return this.servers.reduce((sum, { waiting }) => sum + waiting, 0);
  }
}

/** What the next calls of a method meet; undefined: nothing special. */
export type Fate = 'refuse' | 'deny' | 'hang' | 'loseReply' | undefined;

export class MemoryServer {
  readonly address: string;
  readonly calls = new Map<string, number>();
  readonly #group: MemoryGroup;
  readonly #name: string;
  readonly #pageBytes: number;
  readonly #state: TreeState = newState();
  readonly #ring: EventRing;
  readonly #replies: Reply[] = [];
  readonly #waiters = new Set<() => void>();
  #server!: KuafuServer;
  /** Applies nothing, so it is behind. */
  lagging = false;
  waiting = 0;
  readsAnswered = 0;
  fate: (method: string, request: unknown) => Fate = () => undefined;

  static async start(group: MemoryGroup, name: string, options: { eventsMax?: number; pageBytes?: number }): Promise<MemoryServer> {
    const server = new MemoryServer(group, name, options);
    server.#server = await serve({ guard: 'none', address: server.address, implementations: [server.#implementation()] });
    return server;
  }

  private constructor(
    group: MemoryGroup,
    name: string,
    { eventsMax = 10_000, pageBytes = 100_000 }: { eventsMax?: number; pageBytes?: number },
  ) {
    this.#group = group;
    this.#name = name;
    this.#pageBytes = pageBytes;
    this.#ring = new EventRing({ eventsMax, bytesMax: 64 * 1024 * 1024 });
    this.address = `mem://${name}`;
  }

  catchUp(): void {
    if (this.lagging) return;
    while (this.#replies.length < this.#group.log.length) {
      const index = this.#replies.length + 1;
      const { reply, events } = apply(this.#state, this.#group.log[index - 1]!, { index, nowMs: 1_000 + index });
      for (const event of events) this.#ring.push(event);
      this.#replies.push(reply);
    }
    for (const wake of [...this.#waiters]) wake();
  }

  async close(): Promise<void> {
    this.fate = () => undefined;
    this.lagging = false;
    this.catchUp();
    await this.#server.close({ graceMs: 0 });
  }

  /** Cut off from its clients, as a process that was killed. */
  async kill(): Promise<void> {
    await this.#server.close({ graceMs: 0 });
  }

  async restart(): Promise<void> {
    this.#server = await serve({ guard: 'none', address: this.address, implementations: [this.#implementation()] });
  }

  async #untilApplied(index: number, signal: AbortSignal): Promise<void> {
    while (this.#replies.length < index) await this.#nextTurn(signal, undefined);
  }

  #nextTurn(signal: AbortSignal, waitMs: number | undefined): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const settle = (how: () => void): void => {
        clearTimeout(timer);
        this.#waiters.delete(wake);
        signal.removeEventListener('abort', abort);
        how();
      };
      const wake = (): void => settle(() => resolve(true));
      const abort = (): void => settle(() => reject(signal.reason));
      const timer = waitMs === undefined ? undefined : setTimeout(() => settle(() => resolve(false)), waitMs);
      this.#waiters.add(wake);
      signal.addEventListener('abort', abort);
      if (signal.aborted) abort();
    });
  }

  /** Runs one call to its fate. */
  async #meet<T>(method: string, request: unknown, { signal }: CallContext, work: () => Promise<T>): Promise<T> {
    this.calls.set(method, (this.calls.get(method) ?? 0) + 1);
    const fate = this.fate(method, request);
    if (fate === 'refuse') throw new KuafuError('Unavailable', 'no leader', { details: { notRun: true } });
    if (fate === 'deny') throw new KuafuError('PermissionDenied', 'no capability');
    if (fate === 'hang') await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    const reply = await work();
    if (fate === 'loseReply') {
      processNetwork.cut('somebody', this.#name);
      await new Promise(() => {});
    }
    return reply;
  }

  async #submit(command: Command, signal: AbortSignal): Promise<Done> {
    const index = this.#group.append(command);
    await this.#untilApplied(index, signal);
    const reply = this.#replies[index - 1]!;
    if (reply.kind === 'done') return reply;
    throw new NuwaError(reply.code, reply.reason, { details: { revision: reply.revision, operation: reply.operation } });
  }

  async #read<T>(
    path: string,
    stale: boolean | undefined,
    signal: AbortSignal,
    see: (node: TreeNode) => T,
  ): Promise<T & { revision: number }> {
    if (!stale) await this.#untilApplied(this.#group.log.length, signal);
    const { problem } = parsePath(path);
    if (problem) throw new NuwaError('BadPath', `${path}: ${problem}`);
    const node = nodeAt(this.#state, path);
    const { revision } = this.#state;
    if (!node) throw new NuwaError('NoNode', `${path} is not there`, { details: { revision } });
    this.readsAnswered++;
    return { ...see(node), revision };
  }

  async #poll(path: string, recursive: boolean, afterRevision: number | undefined, waitMs: number, signal: AbortSignal) {
    const { problem } = parsePath(path);
    if (problem) throw new NuwaError('BadPath', `${path}: ${problem}`);
    if (afterRevision === undefined) return { events: [], revision: this.#ring.revision };
    for (;;) {
      if (!this.#ring.reaches(afterRevision))
        throw new NuwaError('Compacted', 'no longer kept', { details: { oldestRevision: this.#ring.oldestRevision } });
      const batch = this.#ring.after(afterRevision, path, recursive, this.#pageBytes);
      if (batch.events.length > 0 || waitMs === 0) return batch;
      this.waiting++;
      try {
        if (!(await this.#nextTurn(signal, waitMs))) return batch;
      } finally {
        this.waiting--;
      }
    }
  }

  #implementation() {
    type Handlers = ServiceHandlers<typeof nuwaService>;
    const write = (method: string, command: Command, context: CallContext) =>
      this.#meet(method, command, context, () => this.#submit(command, context.signal));
    const notHere = async (): Promise<never> => {
      throw new KuafuError('Unimplemented', 'not in memory');
    };
    const handlers: Handlers = {
      openSession: (request, context) => write('openSession', { kind: 'openSession', ...request }, context),
      closeSession: (request, context) => write('closeSession', { kind: 'closeSession', why: 'closed', ...request }, context),
      keepAlive: (request, context) =>
        this.#meet('keepAlive', request, context, async () => {
          await this.#untilApplied(this.#group.log.length, context.signal);
          if (!this.#state.sessions.has(request.session)) throw new NuwaError('NoSession', 'expired');
          return { revision: this.#state.revision };
        }),
      create: async (request, context) => {
        const { path, revision } = await write('create', { kind: 'create', ...request }, context);
        return { path: path!, revision };
      },
      set: async (request, context) => {
        const { version, revision } = await write('set', { kind: 'set', ...request }, context);
        return { version: version!, revision };
      },
      delete: (request, context) => write('delete', { kind: 'delete', ...request }, context),
      transact: async (request, context) => {
        const { revision, results } = await write('transact', { kind: 'transaction', ...request }, context);
        return { revision, results: results! };
      },
      get: (request, context) =>
        this.#meet('get', request, context, () =>
          this.#read(request.path, request.stale, context.signal, (node) => ({ node: viewNode(request.path, node) })),
        ),
      list: (request, context) =>
        this.#meet('list', request, context, () =>
          this.#read(request.path, request.stale, context.signal, (node) =>
            viewChildren(request.path, node, request.after, this.#pageBytes, request.limit),
          ),
        ),
      poll: (request, context) =>
        this.#meet('poll', request, context, () =>
          this.#poll(request.path, request.recursive, request.afterRevision, request.waitMs, context.signal),
        ),
      status: notHere,
      changeMembers: notHere,
      transferLeadership: notHere,
      snapshot: notHere,
      readSnapshot: notHere,
    };
    return implement(nuwaService, handlers);
  }
}
