import type { Clock } from '../../base/clock.ts';
import { FeitianError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Alarm, Alarmed } from '../alarm.ts';
import { decodeBody, encodeBody } from '../codec.ts';
import { type AnyMethod, type Attachment, type Implementation, type KuafuCode, KuafuError, type StreamMethod } from '../contract.ts';
import type { Unread } from '../core/credit.ts';
import { FRAME_KINDS, FRAME_LIMITS, type Frame, sizeProblem } from '../core/frame.ts';
import { errorToBody, helloProblem, MAGIC, parseRequest, VERSION, WINDOW_BYTES, windowOf } from '../core/messages.ts';
import { type CallMeter, codeOf, meterOf, totals } from '../meter.ts';
import { parseWith } from '../schema.ts';
import type { Channel, ChannelEvents } from '../transport.ts';
import { byteLength } from '../transports/outbox.ts';
import { ServerCall } from './call.ts';
import { ServerStream } from './stream.ts';

/** A service as its connections look into it: one look finds all that a call needs. */
export type ServedMethods = ReadonlyMap<string, { method: AnyMethod; handler: Implementation['handlers'][string]; meter: CallMeter }>;

/** What the connections of one server share. */
export interface ServerShared {
  readonly services: ReadonlyMap<string, ServedMethods>;
  readonly callsPerConnectionMax: number;
  readonly callsMax: number;
  readonly requestBytesMax: number;
  readonly retryAfterMs: number;
  readonly clock: Clock;
  readonly alarm: Alarm;
  readonly log: Logger;
  /** Under way now, over all connections. */
  calls: number;
  requestBytes: number;
  /** Messages of streams that wait for their handlers. */
  readonly unread: Unread;
  closed(connection: ServerConnection): void;
}

/** A peer that does not say hello in this time is no peer. */
const HELLO_TIMEOUT_MS = 5_000;
const NOTHING = Buffer.alloc(0);
/** Calls that were refused before anybody looked which method they are for. */
const UNROUTED = meterOf('server', '', '');

/**
 * The server's end of one connection.
 *
 *   greeting --hello--> open --drain--> draining --last reply, peer closes--> closed
 *
 * A violation of the protocol leads to closed from anywhere, and touches no other connection.
 */
export class ServerConnection implements ChannelEvents {
  readonly #channel: Channel;
  readonly #shared: ServerShared;
  readonly #calls = new Map<number, ServerCall>();
  readonly #helloTimeout: Alarmed;
  /** What each stream may send to the peer at its beginning. */
  #windowBytes = 0;
  #state: 'greeting' | 'open' | 'draining' | 'closed' = 'greeting';

  constructor(channel: Channel, shared: ServerShared) {
    this.#channel = channel;
    this.#shared = shared;
    this.#helloTimeout = { atMs: shared.clock.monotonicMs() + HELLO_TIMEOUT_MS, due: () => this.violated('no hello in time') };
  }

  start(): void {
    this.#shared.alarm.add(this.#helloTimeout);
    this.#channel.send({ kind: FRAME_KINDS.hello, id: 0, body: encodeBody({ magic: MAGIC, version: VERSION, windowBytes: WINDOW_BYTES }) });
    this.#channel.start(this);
  }

  /** Takes no more calls; the peer closes once it has the replies of those under way. */
  drain(): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'greeting') return this.end();
    this.#state = 'draining';
    this.#channel.send({ kind: FRAME_KINDS.goAway, id: 0, body: encodeBody({ reason: 'the server is closing' }) });
  }

  /** Closes, whatever is under way. */
  end(): void {
    this.#channel.close();
  }

  frame(frame: Frame): void {
    switch (this.#state) {
      case 'closed':
        return;
      case 'greeting':
        return this.#handleHello(frame);
      default:
        switch (frame.kind) {
          case FRAME_KINDS.request:
            return this.#handleRequest(frame);
          case FRAME_KINDS.data:
          case FRAME_KINDS.end:
          case FRAME_KINDS.credit:
            return this.#handleStreamed(frame);
          case FRAME_KINDS.cancel:
            return this.#handleCancel(frame.id);
          case FRAME_KINDS.ping:
            return this.#channel.send({ kind: FRAME_KINDS.pong, id: frame.id, body: NOTHING });
          case FRAME_KINDS.goAway:
          case FRAME_KINDS.pong:
            return;
          default:
            return this.violated(`a frame of kind ${frame.kind} from a caller`);
        }
    }
  }

  violated(problem: string): void {
    if (this.#state === 'closed') return;
    this.#shared.log.warn({ peer: this.#channel.peer, problem }, 'kuafu.connection.violated');
    this.#channel.send({ kind: FRAME_KINDS.goAway, id: 0, body: encodeBody({ reason: problem }) });
    this.#channel.close(problem);
  }

  closed(reason: string): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#shared.alarm.remove(this.#helloTimeout);
    for (const call of this.#calls.values()) call.abort(new KuafuError('Cancelled', `the caller's connection broke: ${reason}`));
    this.#shared.closed(this);
  }

  #handleHello(frame: Frame): void {
    if (frame.kind !== FRAME_KINDS.hello) return this.violated('the first frame is no hello');
    let problem: string | undefined;
    try {
      const hello = decodeBody(frame.body);
      problem = helloProblem(hello);
      if (problem === undefined) this.#windowBytes = windowOf(hello)!;
    } catch (error) {
      problem = messageOf(error);
    }
    if (problem !== undefined) return this.violated(problem);
    this.#shared.alarm.remove(this.#helloTimeout);
    this.#channel.setLimits(FRAME_LIMITS);
    this.#state = 'open';
  }

  #handleRequest(frame: Frame): void {
    const shared = this.#shared;
    const { id } = frame;
    // Over a network that duplicates frames the same call may come twice while it runs: it runs once.
    if (this.#calls.has(id)) return;
    const requestBytes = frame.body.length + frame.attachment.length;
    const overload = this.#overload(requestBytes);
    if (overload) return this.#refuse(id, 'Overloaded', overload, { retryAfterMs: shared.retryAfterMs });
    if (this.#state === 'draining') return this.#refuse(id, 'Unavailable', 'the server is closing', { notRun: true });

    let body: unknown;
    try {
      body = decodeBody(frame.body);
    } catch (error) {
      return this.violated(`a request that is no MessagePack: ${messageOf(error)}`);
    }
    const parsed = parseRequest(body);
    if (!parsed) return this.violated('a request without service, method and remaining time');
    const [service, name, remainingMs, rawRequest] = parsed;

    const methods = shared.services.get(service);
    if (!methods) return this.#refuse(id, 'Unimplemented', `no service ${service} here`);
    const served = methods.get(name);
    if (!served) return this.#refuse(id, 'Unimplemented', `service ${service} has no method ${name}`);
    const { method, handler, meter } = served;
    if (!(remainingMs > 0)) return this.#refuse(id, 'DeadlineExceeded', 'the deadline passed before the call began', undefined, meter);
    const request = parseWith(method.request, rawRequest);
    if (request.problem)
      return this.#refuse(id, 'InvalidRequest', `${service}.${name}: ${request.problem.text}`, { issues: request.problem.issues }, meter);

    meter.received(requestBytes);
    const args: ConstructorParameters<typeof ServerCall> = [
      id,
      requestBytes,
      frame.attachment,
      shared.clock,
      shared.alarm,
      remainingMs,
      meter,
    ];
    let call: ServerCall;
    if (method.kind === 'stream') {
      if (shared.unread.bytes >= shared.unread.bytesMax) {
        const reason = `${shared.unread.bytes} bytes of messages are unread`;
        return this.#refuse(id, 'Overloaded', reason, { retryAfterMs: shared.retryAfterMs }, meter);
      }
      call = this.#openStream(args, `${service}.${name}`, method);
    } else call = new ServerCall(...args);
    this.#calls.set(id, call);
    shared.calls++;
    totals.callsInFlight++;
    shared.requestBytes += requestBytes;
    let replying: Promise<unknown>;
    try {
      replying = handler(request.value, call);
    } catch (error) {
      replying = Promise.reject(error); // a handler that is not async threw
    }
    if (call instanceof ServerStream) replying = call.untilFlushed(replying);
    replying.then(
      (value) => this.#reply(call, service, name, method, value),
      (error) => this.#fail(call, service, name, error),
    );
  }

  #openStream(args: ConstructorParameters<typeof ServerCall>, what: string, method: StreamMethod): ServerStream {
    const call: ServerStream = new ServerStream(args, {
      what,
      method,
      unread: this.#shared.unread,
      wire: this.#channel,
      windowBytes: this.#windowBytes,
      failed: (error) => this.#failEarly(call, error),
    });
    return call;
  }

  /** Data, end or credit of a stream; those of one that is over are still on their way when it ends. */
  #handleStreamed(frame: Frame): void {
    const call = this.#calls.get(frame.id);
    if (!call) return;
    if (!(call instanceof ServerStream)) return this.violated(`a frame of kind ${frame.kind} for a call that is no stream`);
    const fault = call.streamed(frame);
    if (typeof fault === 'string') this.violated(fault);
    else if (fault) this.#failEarly(call, fault);
  }

  /** A stream cannot go on: its caller hears of it now, whatever its handler makes of its signal. */
  #failEarly(call: ServerStream, error: KuafuError): void {
    if (call.told || call.abortedWith) return;
    call.told = true;
    call.abort(error);
    this.#channel.withdraw(call.id);
    if (this.#state !== 'closed') this.#sendError(call.id, error);
  }

  #handleCancel(id: number): void {
    const call = this.#calls.get(id);
    if (call instanceof ServerStream) this.#channel.withdraw(id); // messages that nobody reads
    if (call) call.abort(new KuafuError('Cancelled', 'the caller gave up'));
    else this.#channel.withdraw(id); // a reply that nobody waits for
  }

  #overload(requestBytes: number): string | undefined {
    const shared = this.#shared;
    if (this.#calls.size >= shared.callsPerConnectionMax) return `${this.#calls.size} calls of this connection are under way`;
    if (shared.calls >= shared.callsMax) return `${shared.calls} calls are under way`;
    // One call always fits, however large, so that a bound below the largest frame cannot shut anybody out for ever.
    if (shared.calls > 0 && shared.requestBytes + requestBytes > shared.requestBytesMax)
      return `${shared.requestBytes} bytes of requests are under way`;
    return undefined;
  }

  #reply(call: ServerCall, service: string, name: string, method: AnyMethod, value: unknown): void {
    const stream = call instanceof ServerStream ? call : undefined;
    if (stream?.abortedWith) return this.#fail(call, service, name, stream.abortedWith);
    if (this.#state === 'closed') {
      call.meter.failed('Cancelled', call.tookMs());
      return this.#finish(call);
    }
    let body: Buffer;
    let attachment: Attachment | undefined;
    try {
      if (method.kind === 'unary' && method.replyAttachment) {
        const withAttachment = value as { body: unknown; attachment: Attachment };
        body = encodeBody(withAttachment.body);
        attachment = withAttachment.attachment;
      } else body = encodeBody(value);
      const tooLarge = sizeProblem(body.length, byteLength(attachment));
      if (tooLarge) throw new Error(`the reply is ${tooLarge}`);
    } catch (error) {
      return this.#fail(call, service, name, error);
    }
    call.meter.succeeded(call.tookMs());
    call.meter.sent(body.length + byteLength(attachment));
    this.#finish(call);
    this.#channel.send({ kind: FRAME_KINDS.reply, number: stream?.messagesSent ?? 0, id: call.id, body, attachment });
  }

  #fail(call: ServerCall, service: string, name: string, error: unknown): void {
    this.#finish(call);
    // A handler that stops because its caller is gone reports the reason it was given: say that, whatever it wrapped it in.
    const told = call.abortedWith ?? error;
    call.meter.failed(codeOf(told), call.tookMs());
    if (!(told instanceof FeitianError)) this.#shared.log.error({ err: error, service, method: name }, 'kuafu.handler.failed');
    const toldAlready = call instanceof ServerStream && call.told;
    if (this.#state !== 'closed' && !toldAlready) this.#sendError(call.id, told);
  }

  #finish(call: ServerCall): void {
    call.finish();
    this.#calls.delete(call.id);
    this.#shared.calls--;
    totals.callsInFlight--;
    this.#shared.requestBytes -= call.requestBytes;
  }

  #refuse(id: number, code: KuafuCode, reason: string, details?: Record<string, unknown>, meter: CallMeter = UNROUTED): void {
    meter.failed(code, 0);
    this.#sendError(id, new KuafuError(code, reason, { details }));
  }

  #sendError(id: number, error: unknown): void {
    let body: Buffer;
    try {
      body = encodeBody(errorToBody(error));
    } catch {
      body = encodeBody({ ...errorToBody(error), details: {} }); // details that are no JSON
    }
    this.#channel.send({ kind: FRAME_KINDS.error, id, body });
  }
}
