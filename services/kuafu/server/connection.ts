import type { Alarmed } from '../alarm.ts';
import { encodeBody, goAwayReason, tryDecodeBody } from '../codec.ts';
import { type AnyMethod, type KuafuCode, KuafuError, type StreamMethod } from '../contract.ts';
import { FRAME_KINDS, FRAME_LIMITS, type Frame, type FrameHeader, UNKNOWN_LIMITS } from '../core/frame.ts';
import type { DropCause } from '../core/frame-parser.ts';
import { type Hello, helloProblem, MAGIC, VERSION, WINDOW_BYTES, windowOf } from '../core/messages.ts';
import { priorityOf, replyFlagsOf } from '../core/priority.ts';
import { type Caller, NOBODY } from '../guard-contract.ts';
import { type CallMeter, codeOf, meterOf, totals } from '../meter.ts';
import { REFLECTION_SERVICE } from '../reflection-contract.ts';
import { parseWith } from '../schema.ts';
import type { Wire } from '../streams/outgoing.ts';
import { SendRoom } from '../streams/send-room.ts';
import type { Channel, ChannelEvents } from '../transport.ts';
import { type CallFacts, ServerCall } from './call.ts';
import { Callers } from './callers.ts';
import { encodeReply } from './encode-reply.ts';
import { FrameWatch } from './frame-watch.ts';
import { callOverload, frameOverload, streamOverload } from './overload.ts';
import { readRequest } from './read-request.ts';
import type { ServerShared } from './shared.ts';
import { ServerStream } from './stream.ts';
import { encodeError, logUntold, ownError } from './told.ts';

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
  /** By id, which is theirs until the caller was told of their end. */
  readonly #calls = new Map<number, ServerCall>();
  /** Over for their callers; their handlers still run. */
  readonly #told = new Set<ServerCall>();
  readonly #helloTimeout: Alarmed;
  /** Undefined where nobody is asked who calls. */
  readonly #callers: Callers | undefined;
  /** What streams write to. */
  readonly #wire: Wire;
  readonly #frameWatch: FrameWatch;
  /** What each stream may send to the peer at its beginning. */
  #windowBytes = 0;
  #state: 'greeting' | 'open' | 'draining' | 'closed' = 'greeting';

  constructor(channel: Channel, shared: ServerShared) {
    this.#channel = channel;
    this.#shared = shared;
    this.#frameWatch = new FrameWatch(channel);
    this.#wire = { send: (frame) => channel.send(frame), room: new SendRoom(channel, shared.unsent) };
    this.#helloTimeout = { atMs: shared.clock.monotonicMs() + HELLO_TIMEOUT_MS, due: () => this.violated('no hello in time') };
    const { admission, clock, alarm, log } = shared;
    if (!admission) return;
    const counted = (requests: number, bytes: number): void => {
      shared.calls += requests;
      shared.requestBytes += bytes;
    };
    const resume = (frame: Frame, waitedMs: number): void =>
      frame.kind === FRAME_KINDS.request ? this.#handleRequest(frame, waitedMs) : this.frame(frame);
    const overloaded = (id: number): void =>
      this.#refuse(id, 'Overloaded', 'too much came before its caller was known', { retryAfterMs: shared.retryAfterMs });
    this.#callers = new Callers({
      admission,
      binding: channel.binding,
      clock,
      alarm,
      log,
      resume,
      overloaded,
      changed: () => this.#limit(),
      counted,
    });
  }

  start(): void {
    this.#shared.alarm.add(this.#helloTimeout);
    const { cluster, nonce } = this.#callers?.challenge ?? {};
    const hello: Hello = { magic: MAGIC, version: VERSION, windowBytes: WINDOW_BYTES, cluster, nonce };
    this.#channel.send({ kind: FRAME_KINDS.hello, id: 0, body: encodeBody(hello) });
    this.#channel.start(this, this.#shared);
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
          case FRAME_KINDS.identify:
            return this.#handleIdentify(frame);
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
    this.#shared.violations.tell(problem.replaceAll(/\d+/g, 'n'), 'warn', { peer: this.#channel.peer, problem });
    this.#channel.send({ kind: FRAME_KINDS.goAway, id: 0, body: encodeBody({ reason: problem }) });
    this.#channel.close(problem);
  }

  /** A frame was read and not kept: whoever sent it hears why. */
  dropped(header: FrameHeader, cause: DropCause): void {
    const { kind, id, number, bodyBytes, attachmentBytes } = header;
    const bytes = bodyBytes + attachmentBytes;
    if (this.#state === 'closed') return;
    if (kind === FRAME_KINDS.request) {
      if (cause === 'unknown') return this.#refuseUnknown(id, number, bytes);
      return this.#refuse(id, 'Overloaded', frameOverload(this.#shared, bytes), { retryAfterMs: this.#shared.retryAfterMs });
    }
    if (kind !== FRAME_KINDS.data) return this.violated(`a frame of kind ${kind} and ${bytes} bytes, which nobody keeps`);
    const call = this.#calls.get(id);
    if (call instanceof ServerStream) this.#failEarly(call, new KuafuError('Unavailable', frameOverload(this.#shared, bytes)));
    else if (this.#callers?.withdraw(id))
      this.#refuse(id, 'Overloaded', frameOverload(this.#shared, bytes), { retryAfterMs: this.#shared.retryAfterMs });
  }

  /** Time to look whether a frame that is half read goes on. */
  checkFrame(): void {
    if (this.#frameWatch.look()) this.violated('a frame that does not go on');
  }

  roomy(): void {
    this.#wire.room.flush();
  }

  closed(reason: string): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#shared.alarm.remove(this.#helloTimeout);
    this.#callers?.close();
    for (const call of this.#calls.values()) call.abort(new KuafuError('Cancelled', `the caller's connection broke: ${reason}`));
    this.#shared.closed(this);
  }

  /** Calls go on only as long as whoever made them may call. */
  checkCallers(): void {
    for (const call of this.#calls.values()) call.checkCaller();
  }

  #handleIdentify(frame: Frame): void {
    if (!this.#callers) return this.violated('credentials for a server that asked for none');
    const body = tryDecodeBody(frame.body);
    if (body.problem !== undefined) return this.violated(`credentials that are no MessagePack: ${body.problem}`);
    const problem = this.#callers.identify(frame, body.value);
    if (problem !== undefined) this.violated(problem);
  }

  #handleHello(frame: Frame): void {
    if (frame.kind === FRAME_KINDS.goAway) return this.#handleRefusal(frame);
    if (frame.kind !== FRAME_KINDS.hello) return this.violated('the first frame is no hello');
    const hello = tryDecodeBody(frame.body);
    const problem = hello.problem ?? helloProblem(hello.value);
    if (problem !== undefined) return this.violated(problem);
    this.#windowBytes = windowOf(hello.value)!;
    this.#shared.alarm.remove(this.#helloTimeout);
    this.#limit();
    this.#state = 'open';
  }

  #limit(): void {
    this.#channel.setLimits(this.#callers && !this.#callers.known ? UNKNOWN_LIMITS : FRAME_LIMITS);
  }

  #refuseUnknown(id: number, slot: number, bytes: number): void {
    const failure = this.#callers?.failureOf(slot);
    const reason = `${failure?.reason ?? 'no identity came with the call'}: nobody may send ${bytes} bytes`;
    this.#shared.admission!.refusedUnread(reason);
    this.#refuse(id, 'Unauthenticated', reason, failure?.details);
  }

  /** The peer does not want this server: its certificate is no good, for example. */
  #handleRefusal(frame: Frame): void {
    const reason = `refused by the peer: ${goAwayReason(frame)}`;
    this.#shared.log.warn({ peer: this.#channel.peer, reason }, 'kuafu.connection.refused');
    this.#channel.close(reason);
  }

  /** `waitedMs`: how long it waited for its caller to be known. */
  #handleRequest(frame: Frame, waitedMs = 0): void {
    const shared = this.#shared;
    const { id } = frame;
    if (id === 0) return this.violated('a request without an id');
    if (frame.number !== 0 && !this.#callers) return this.violated('a request as somebody, to a server that asked for nobody');
    if (this.#calls.has(id) || this.#callers?.isWaiting(id)) {
      // Over a network that doubles frames the same call may come twice while it runs: it runs once.
      if (this.#channel.doubles) return;
      return this.violated(`a request with the id ${id} of one that is under way`);
    }
    const requestBytes = frame.body.length + frame.attachment.length;
    const underWay = this.#calls.size + this.#told.size + (this.#callers?.waiting ?? 0);
    const overload = callOverload(shared, underWay, requestBytes, priorityOf(frame.flags));
    if (overload) return this.#refuse(id, 'Overloaded', overload, { retryAfterMs: shared.retryAfterMs });
    const callers = this.#callers;
    if (callers?.maybeWait(frame)) return;

    const read = readRequest(frame.body);
    if ('violation' in read) return this.violated(read.violation);
    if ('refusal' in read) return this.#refuse(id, 'InvalidRequest', read.refusal);
    const [service, name, leftMs, rawRequest, trace] = read.request;
    const remainingMs = leftMs - waitedMs;

    // How a server that is closing feels may still be asked.
    if (this.#state === 'draining' && service !== REFLECTION_SERVICE)
      return this.#refuse(id, 'Unavailable', 'the server is closing', { notRun: true });
    const methods = shared.services.get(service);
    if (!methods) return this.#refuse(id, 'Unimplemented', `no service ${service} here`);
    const served = methods.get(name);
    if (!served) return this.#refuse(id, 'Unimplemented', `service ${service} has no method ${name}`);
    const { method, handler, meter } = served;
    let caller: Caller = NOBODY;
    if (callers) {
      caller = callers.callerOf(frame.number);
      const refusal = shared.admission!.refuseCaller(served, caller, callers.failureOf(frame.number));
      if (refusal) return this.#refuseWith(id, refusal, meter);
    }
    if (!(remainingMs > 0)) return this.#refuse(id, 'DeadlineExceeded', 'the deadline passed before the call began', undefined, meter);
    const request = parseWith(method.request, rawRequest);
    if (request.problem)
      return this.#refuse(id, 'InvalidRequest', `${service}.${name}: ${request.problem.text}`, { issues: request.problem.issues }, meter);
    if (callers) {
      try {
        const refusal = shared.admission!.refuseRequest(served, caller, request.value, requestBytes);
        if (refusal) return this.#refuseWith(id, refusal, meter);
      } catch (error) {
        return this.#refuseWith(id, error, meter, 'kuafu.access.failed', { service, method: name });
      }
    }

    meter.received(requestBytes);
    const { clock, alarm } = shared;
    const { attachment, flags } = frame;
    const facts: CallFacts = { id, requestBytes, attachment, clock, alarm, remainingMs, meter, caller, trace, flags };
    let call: ServerCall;
    if (method.kind === 'stream') {
      const full = streamOverload(shared);
      if (full) return this.#refuse(id, 'Overloaded', full, { retryAfterMs: shared.retryAfterMs }, meter);
      call = this.#openStream(facts, `${service}.${name}`, method);
    } else call = new ServerCall(facts);
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

  #openStream(facts: CallFacts, what: string, method: StreamMethod): ServerStream {
    const call: ServerStream = new ServerStream(facts, {
      what,
      method,
      unread: this.#shared.unread,
      wire: this.#wire,
      windowBytes: this.#windowBytes,
      failed: (error) => this.#failEarly(call, error),
    });
    return call;
  }

  /** Data, end or credit of a stream; those of one that is over are still on their way when it ends. */
  #handleStreamed(frame: Frame): void {
    // Of a request that still waits for its caller, it waits with it.
    if (this.#callers?.maybeFollow(frame)) return;
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
    // Its id is free from here on; its handler may be running for a while yet.
    this.#calls.delete(call.id);
    this.#told.add(call);
    call.abort(error);
    this.#channel.withdraw(call.id);
    if (this.#state !== 'closed') this.#sendError(call.id, error);
  }

  #handleCancel(id: number): void {
    const call = this.#calls.get(id);
    if (call instanceof ServerStream) this.#channel.withdraw(id); // messages that nobody reads
    if (call) call.abort(new KuafuError('Cancelled', 'the caller gave up'));
    // One that did not begin, or whose reply nobody waits for any more: the caller still hears that its id is free.
    else if (this.#callers?.withdraw(id) || this.#channel.withdraw(id)) this.#refuse(id, 'Cancelled', 'the caller gave up');
  }

  #reply(call: ServerCall, service: string, name: string, method: AnyMethod, value: unknown): void {
    const stream = call instanceof ServerStream ? call : undefined;
    if (stream?.abortedWith) return this.#fail(call, service, name, stream.abortedWith);
    if (this.#state === 'closed') {
      call.meter.failed('Cancelled', call.tookMs());
      return this.#finish(call);
    }
    let reply: ReturnType<typeof encodeReply>;
    try {
      reply = encodeReply(method, value);
    } catch (error) {
      return this.#fail(call, service, name, error);
    }
    call.meter.succeeded(call.tookMs());
    call.meter.sent(reply.bytes);
    this.#finish(call);
    const flags = replyFlagsOf(call.flags);
    this.#channel.send({
      kind: FRAME_KINDS.reply,
      flags,
      number: stream?.messagesSent ?? 0,
      id: call.id,
      body: reply.body,
      attachment: reply.attachment,
    });
  }

  #fail(call: ServerCall, service: string, name: string, error: unknown): void {
    this.#finish(call);
    // A handler that stops because its caller is gone reports the reason it was given: say that, whatever it wrapped it in.
    const told = call.abortedWith ?? ownError(error);
    call.meter.failed(codeOf(told), call.tookMs());
    if (told instanceof KuafuError && told.code === 'PermissionDenied')
      this.#shared.admission?.refusedByHandler(`${service}.${name}`, call.caller, told);
    const logged = logUntold(this.#shared.log, told, error, 'kuafu.handler.failed', { service, method: name, trace: call.trace });
    const toldAlready = call instanceof ServerStream && call.told;
    if (this.#state !== 'closed' && !toldAlready) this.#sendError(call.id, told, logged);
  }

  #finish(call: ServerCall): void {
    call.finish();
    if (!this.#told.delete(call)) this.#calls.delete(call.id);
    this.#shared.calls--;
    totals.callsInFlight--;
    this.#shared.requestBytes -= call.requestBytes;
  }

  #refuse(id: number, code: KuafuCode, reason: string, details?: Record<string, unknown>, meter: CallMeter = UNROUTED): void {
    this.#refuseWith(id, new KuafuError(code, reason, { details }), meter);
  }

  #refuseWith(id: number, error: unknown, meter: CallMeter, event = 'kuafu.refusal.failed', fields: object = {}): void {
    meter.refused(codeOf(error));
    this.#sendError(id, error, logUntold(this.#shared.log, error, error, event, fields));
  }

  #sendError(id: number, error: unknown, logged = ''): void {
    this.#channel.send({ kind: FRAME_KINDS.error, id, body: encodeError(error, logged) });
  }
}
