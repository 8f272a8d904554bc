import { setMaxListeners } from 'node:events';
import { backoffMs } from '../base/backoff.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import { hasCode } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import { type Random, systemRandom } from '../base/random.ts';
import { currentTrace } from '../base/trace.ts';
import { Alarm } from './alarm.ts';
import { Broken, CallTry, Silent } from './client/call.ts';
import { Connections } from './client/connections.ts';
import { encodeRequest } from './client/encode-request.ts';
import { hedged, type Placement } from './client/hedge.ts';
import { Instances } from './client/instances.ts';
import type { KuafuClientOptions } from './client/options.ts';
import { outcomeOf, retryAfterMs } from './client/outcome.ts';
import { resolveAll } from './client/resolve.ts';
import { ruleOf } from './client/rule.ts';
import { ClientStream, StreamTry } from './client/stream.ts';
import {
  type AnyMethod,
  type CallOptions,
  type KuafuClient,
  KuafuError,
  type Method,
  type Resolver,
  type ServiceClient,
  type ServiceContract,
  type ServiceOptions,
  type StreamMethod,
} from './contract.ts';
import { parseAddress } from './core/address.ts';
import type { Unread } from './core/credit.ts';
import { NO_DEADLINE_MS } from './core/deadline-wheel.ts';
import { HedgeBudget } from './core/hedge-budget.ts';
import { neverRan } from './core/messages.ts';
import { type Choice, type Facts, type PickState, pickInstance, type Rule } from './core/pick.ts';
import { flagsOf } from './core/priority.ts';
import { mayRetry } from './core/retry.ts';
import type { Identity } from './guard-contract.ts';
import { CallMeter, codeOf, meterOf } from './meter.ts';
import { UnreadAccount } from './streams/unread.ts';
import { transportsThrough } from './transports/proxied.ts';

const TIMEOUT_MS_DEFAULT = 10_000;
/** Between tries of one call: long enough for a process to bind its port, short beside the default deadline. */
const RETRY_BACKOFF = { firstMs: 40, maxMs: 1_000 };

export function createKuafuClient(options: KuafuClientOptions = {}): KuafuClient {
  return new Client(options);
}

/** Where the calls of one `service(contract, address)` go. */
interface Target {
  address: string;
  /** Whom they are made as. */
  identity: Identity | undefined;
  /** A `nuwa://` address, to be resolved. */
  named: boolean;
  manyInstances: boolean;
  ruleOf(request: unknown): Rule;
  tryTimeoutMs: number;
  elsewhere: readonly string[];
  picks: PickState;
}

class Client implements KuafuClient {
  readonly #resolver: Resolver | undefined;
  readonly #identity: Identity | undefined;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #alarm: Alarm;
  readonly #connections: Connections;
  readonly #instances: Instances;
  readonly #unread: Unread;
  /** By service: a slow one spends only its own. */
  readonly #hedges = new Map<string, HedgeBudget>();
  readonly #closing = new AbortController();
  /** Ends each wait that `#within` has under way. */
  readonly #waits = new Set<(why: KuafuError) => void>();
  #closed = false;

  constructor(options: KuafuClientOptions) {
    const {
      resolver,
      identity,
      clock = systemClock,
      random = systemRandom,
      log = silentLogger,
      transports,
      tls,
      proxy,
      silenceMs,
    } = options;
    this.#unread = new UnreadAccount(options.unreadBytesMax);
    this.#resolver = resolver;
    this.#identity = identity;
    this.#clock = clock;
    this.#random = random;
    this.#alarm = new Alarm(clock);
    setMaxListeners(0, this.#closing.signal); // one for each call that pauses
    const ways = transportsThrough(proxy, { tls, transports, log, clock });
    this.#connections = new Connections({ clock, random, log, alarm: this.#alarm, transports: ways, silenceMs });
    this.#instances = new Instances(() => clock.monotonicMs());
  }

  service<S extends ServiceContract>(contract: S, address: string, options: ServiceOptions<S> = {}): ServiceClient<S> {
    return this.#serviceAs(this.#identity, contract, address, options);
  }

  as(identity: Identity): KuafuClient {
    return {
      service: (contract, address, options = {}) => this.#serviceAs(identity, contract, address, options),
      as: (other) => this.as(other),
      close: async () => {},
    };
  }

  #serviceAs<S extends ServiceContract>(
    identity: Identity | undefined,
    contract: S,
    address: string,
    options: ServiceOptions<S>,
  ): ServiceClient<S> {
    const { pick = 'roundRobin', tryTimeoutMs = Number.POSITIVE_INFINITY, elsewhere = [] } = options;
    const parsed = parseAddress(address);
    const named = parsed.scheme === 'nuwa';
    if (named && !this.#resolver) throw new KuafuError('InvalidRequest', `${address} needs a client with a resolver`);
    const manyInstances = parsed.scheme === 'nuwa' && parsed.instance === undefined;
    const picks = { turn: this.#random.int(1 << 16), current: undefined };
    const target: Target = { address, identity, named, manyInstances, ruleOf: ruleOf(pick), tryTimeoutMs, elsewhere, picks };
    const client: Record<string, (request: unknown, options?: CallOptions) => unknown> = {};
    for (const [name, method] of Object.entries(contract.methods)) {
      const meter = meterOf('client', contract.name, name);
      if (method.kind === 'stream')
        client[name] = (request, callOptions) => this.#stream(contract, name, method, meter, target, request, callOptions);
      else
        client[name] = (request, callOptions) =>
          callOptions?.hedgeAfterMs !== undefined && method.idempotent && manyInstances
            ? this.#hedged(contract, name, method, meter, target, request, callOptions)
            : this.#call(contract, name, method, meter, target, request, callOptions);
    }
    return client as ServiceClient<S>;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#closing.abort();
    this.#connections.close();
    for (const giveUp of [...this.#waits]) giveUp(new KuafuError('Unavailable', 'the client is closed'));
    this.#alarm.close();
  }

  async #hedged(
    contract: ServiceContract,
    name: string,
    method: Method,
    meter: CallMeter,
    target: Target,
    request: unknown,
    options: CallOptions,
  ): Promise<unknown> {
    const nowMs = (): number => this.#clock.monotonicMs();
    const startedMs = nowMs();
    let budget = this.#hedges.get(contract.name);
    if (!budget) this.#hedges.set(contract.name, (budget = new HedgeBudget()));
    // The two tries are one call: neither is counted by itself, and the second does not change where the next calls go.
    const uncounted = new CallMeter('client', contract.name, name);
    const call = (signal: AbortSignal, placement: Placement): Promise<unknown> => {
      const own = placement.avoid === undefined ? target : { ...target, picks: { ...target.picks } };
      return this.#call(contract, name, method, uncounted, own, request, { ...options, signal }, { placement });
    };
    try {
      const { hedgeAfterMs = 0, signal } = options;
      const reply = await hedged({ afterMs: hedgeAfterMs, nowMs, alarm: this.#alarm, budget, signal, call });
      meter.succeeded(nowMs() - startedMs);
      return reply;
    } catch (error) {
      throw this.#failed(meter, startedMs, error);
    }
  }

  #stream(
    contract: ServiceContract,
    name: string,
    method: StreamMethod,
    meter: CallMeter,
    target: Target,
    request: unknown,
    options: CallOptions = {},
  ): ClientStream {
    const call = (stream: ClientStream): Promise<unknown> =>
      this.#call(
        contract,
        name,
        method,
        meter,
        target,
        request,
        { timeoutMs: NO_DEADLINE_MS, ...options, signal: stream.signal },
        { stream },
      );
    const nowMs = (): number => this.#clock.monotonicMs();
    return new ClientStream({ what: `${contract.name}.${name}`, method, meter, unread: this.#unread, nowMs, signal: options.signal, call });
  }

  async #call(
    contract: ServiceContract,
    name: string,
    method: AnyMethod,
    meter: CallMeter,
    target: Target,
    request: unknown,
    options: CallOptions = {},
    { stream, placement }: { stream?: ClientStream; placement?: Placement } = {},
  ): Promise<unknown> {
    const idempotent = method.kind === 'unary' && method.idempotent;
    const { timeoutMs = TIMEOUT_MS_DEFAULT, tryTimeoutMs = target.tryTimeoutMs, signal, attachment, trace = currentTrace() } = options;
    const flags = flagsOf(options);
    const what = `${contract.name}.${name}`;
    // Read again only after something was waited for: a look at the clock is a hundredth of a call.
    let nowMs = this.#clock.monotonicMs();
    const deadlineMs = nowMs + timeoutMs;
    // A stream may last for ever; getting it under way may not.
    const openUntilMs = timeoutMs === NO_DEADLINE_MS ? nowMs + TIMEOUT_MS_DEFAULT : deadlineMs;
    const elsewhere = idempotent ? target.elsewhere : [];
    let tried = placement?.avoid === undefined ? undefined : new Set([placement.avoid]);
    let failure: unknown;
    /** Instances of this round that said others may do better. */
    let declined = 0;
    let shownVersion: number | undefined;
    let shownAgain = false;
    for (let tries = 1; ; tries++) {
      if (this.#closed) throw this.#failed(meter, deadlineMs - timeoutMs, new KuafuError('Unavailable', `${what}: the client is closed`));
      if (signal?.aborted)
        throw this.#failed(meter, deadlineMs - timeoutMs, new KuafuError('Cancelled', `${what} was cancelled`, { cause: signal.reason }));
      // What went wrong says more than that it took too long.
      if (openUntilMs <= nowMs)
        throw this.#failed(meter, deadlineMs - timeoutMs, failure ?? new KuafuError('DeadlineExceeded', `${what}: no time left to call`));
      const tryUntilMs = Math.min(openUntilMs, nowMs + tryTimeoutMs);
      let choice: Choice = { address: target.address, othersLeft: false };
      let sent = false;
      let begun = false;
      try {
        if (target.named) {
          choice = await this.#within(this.#choose(target, request, tried, signal), what, openUntilMs, signal);
          nowMs = this.#clock.monotonicMs();
        }
        placement?.placed(choice.address);
        this.#instances.begin(choice.address);
        begun = true;
        let connection = this.#connections.ready(choice.address);
        if (!connection) {
          connection = await this.#within(this.#connections.connect(choice.address), what, tryUntilMs, signal);
          nowMs = this.#clock.monotonicMs();
        }
        const untilMs = idempotent ? tryUntilMs : deadlineMs;
        const remainingMs = Math.max(1, Math.round(untilMs - nowMs));
        const body = encodeRequest(contract.name, name, remainingMs, request, trace, attachment);
        shownVersion = target.identity?.version;
        const slot = connection.slotOf(target.identity);
        sent = true;
        const alarm = this.#alarm;
        const tryOptions = {
          contract,
          name,
          method,
          meter,
          connection,
          alarm,
          deadlineMs: untilMs,
          signal,
          flags,
          slot,
          body,
          attachment,
          idempotent,
          // Where nobody else is left it may as well be waited for.
          othersLeft: choice.othersLeft,
        };
        const once = stream ? new StreamTry(stream, tryOptions) : new CallTry(tryOptions);
        const reply = await once.promise;
        meter.succeeded(this.#clock.monotonicMs() - deadlineMs + timeoutMs);
        this.#instances.end(choice.address, 'answered');
        return reply;
      } catch (error) {
        nowMs = this.#clock.monotonicMs();
        const broke = error instanceof Broken || error instanceof Silent;
        // A try whose time was up, while the call has more, or one that was given up for another instance.
        const unanswered =
          error instanceof Silent ||
          (tryUntilMs < deadlineMs && nowMs < deadlineMs && error instanceof KuafuError && error.code === 'DeadlineExceeded');
        const unsent = !sent && error instanceof KuafuError && (error.code === 'Unavailable' || unanswered);
        const declines = hasCode(error, ...elsewhere);
        // The credentials ended, and there are new ones by now. Such a call never ran.
        if (hasCode(error, 'Unauthenticated') && !shownAgain && shownVersion !== target.identity?.version) {
          if (begun) this.#instances.end(choice.address, 'answered');
          shownAgain = true;
          continue;
        }
        failure = broke ? new KuafuError('Unavailable', `${what}: ${error.message}`, { details: { address: choice.address } }) : error;
        const facts = { broke: broke || unanswered, neverRan: unsent || declines || neverRan(error) };
        if (begun) this.#instances.end(choice.address, outcomeOf(error, facts, unanswered), retryAfterMs(error));
        // It did not answer, or cannot now; one that has too much to do is where it is.
        const away = facts.broke || (facts.neverRan && !hasCode(error, 'Overloaded'));
        if (away && target.named && choice.address !== target.address) this.#resolver!.suspect(target.address, choice.address);
        // What a handler has begun to hear cannot be said again.
        const heard = stream !== undefined && !stream.outgoing.mayReopen;
        if (heard || !mayRetry(facts, { idempotent, manyInstances: target.manyInstances, tries }))
          throw this.#failed(meter, deadlineMs - timeoutMs, failure);
        (tried ??= new Set()).add(choice.address);
        if (declines) declined++;
        if (choice.othersLeft) continue;
        if (declined >= tried.size) throw this.#failed(meter, deadlineMs - timeoutMs, failure);
        tried.clear();
        declined = 0;
        const pauseMs = Math.max(backoffMs(tries, this.#random, RETRY_BACKOFF), retryAfterMs(error));
        if (nowMs + pauseMs >= openUntilMs) throw this.#failed(meter, deadlineMs - timeoutMs, failure);
        await this.#pause(pauseMs, signal);
        nowMs = this.#clock.monotonicMs();
      }
    }
  }

  /** @returns the error, to be thrown. */
  #failed(meter: CallMeter, startedMs: number, error: unknown): unknown {
    meter.failed(codeOf(error), this.#clock.monotonicMs() - startedMs);
    return error;
  }

  async #choose(
    target: Target,
    request: unknown,
    tried: ReadonlySet<string> | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Choice> {
    const resolver = this.#resolver!;
    const addresses = await resolveAll(resolver, target.address, signal);
    const facts: Facts = {
      tried: (address) => tried?.has(address) ?? false,
      well: (address) => this.#instances.well(address) && this.#connections.promising(address),
      pending: (address) => this.#instances.pending(address),
      nameOf: (address) => resolver.nameOf?.(target.address, address) ?? address,
    };
    return pickInstance(target.ruleOf(request), addresses, facts, target.picks);
  }

  /** Waits no longer than the call may take; the work goes on for others who share it. */
  #within<T>(work: Promise<T>, what: string, deadlineMs: number, signal: AbortSignal | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const settled = (): void => {
        this.#alarm.remove(deadline);
        this.#waits.delete(giveUp);
        signal?.removeEventListener('abort', onAbort);
      };
      const giveUp = (why: KuafuError): void => {
        settled();
        reject(why);
      };
      const deadline = { atMs: deadlineMs, due: () => giveUp(new KuafuError('DeadlineExceeded', `${what}: no connection in time`)) };
      const onAbort = (): void => giveUp(new KuafuError('Cancelled', `${what} was cancelled`, { cause: signal?.reason }));
      this.#alarm.add(deadline);
      this.#waits.add(giveUp);
      signal?.addEventListener('abort', onAbort);
      work.then(
        (value) => {
          settled();
          resolve(value);
        },
        (error) => giveUp(error),
      );
    });
  }

  async #pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const until = signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
    await this.#clock.sleep(ms, until).catch(() => {}); // the loop sees why it was woken
  }
}

export { recycleAttachment, recycleWhenSent, takeAttachmentBuffer } from './buffers.ts';
export type { KuafuClientOptions } from './client/options.ts';
export { parseAddress } from './core/address.ts';
export { readableOf, writableOf } from './streams/node-streams.ts';
export { useMachineTls } from './transports/index.ts';
export { useProxy } from './transports/proxied.ts';
