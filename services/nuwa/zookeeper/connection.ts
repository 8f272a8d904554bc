import { randomBytes, randomInt } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Change, Check, Command, Reply } from '../core/tree/command.ts';
import type { Worker } from '../shares.ts';
import { type ChangeRequest, digestIdentity, readChange, readMulti, writeMultiDone, writeMultiRefused } from './changes.ts';
import { type ConnectRequest, isUserAndPassword, newSessionHex, type OpenedSession, readConnect, writeConnected } from './connecting.ts';
import type { DoorShared } from './door.ts';
import { REQUEST_OVERHEAD_BYTES } from './flow.ts';
import { answerOf } from './four-letters.ts';
import { Intake } from './intake.ts';
import { Outbox } from './outbox.ts';
import { ERRORS, errorOf, OPS, sessionOf, XIDS } from './protocol.ts';
import { type Look, readLook } from './reads.ts';
import { type Slot, Turns } from './turns.ts';
import { readWatchRequest } from './watch-requests.ts';
import { ConnectionWatches, type Notified, WatchesFull } from './watches.ts';
import { Malformed, type Reader, type Writer } from './wire.ts';

/** The largest packet: a value of 1 MiB or a transaction of two with what stands around them. */
const PACKET_BYTES_MAX = 4 * 1024 * 1024;
/** Of a peer that has not said who it is. */
const CONNECT_BYTES_MAX = 1024;
/** Whom one connection may show itself to be. Each of its changes carries them all. */
const IDENTITIES_MAX = 16;

/**
 * One client's connection.
 *
 *   greeting --connect request--> joining --session open or found--> open --closeSession, violation, loss of the group--> closed
 *
 * Requests are done and answered in their order. Changes one after the other are handed to the group at once; a read is looked at when all requests
 * before it are answered and the group has confirmed, after it came, that what is applied here is not old; and a change waits for the reads before
 * it. So a client sees its own changes up to its question, and nobody sees the past.
 */
export class Connection implements Notified, Worker {
  readonly #socket: Socket;
  readonly #door: DoorShared;
  readonly #outbox: Outbox;
  readonly watches: ConnectionWatches;
  #state: 'greeting' | 'joining' | 'open' | 'closed' = 'greeting';
  #sessionHex = '';
  #session = '';
  identities: string[] = ['world:anyone'];
  /** Tells the changes of this connection from those of the session's earlier ones. */
  readonly #number = 1 + randomInt(2 ** 31);
  readonly #intake: Intake;
  readonly #turns: Turns;
  /** Reads of this turn, for which the group is asked once. */
  #reads: Slot[] = [];
  /** Those of them that are answered from what is applied here. */
  #localReads: Slot[] = [];
  /** Of the packet that is being handled. */
  #packetBytes = 0;
  #receivedAtMs = 0;
  received = 0;
  sent = 0;
  readonly peer: string;

  constructor(socket: Socket, door: DoorShared) {
    this.#socket = socket;
    this.#door = door;
    this.peer = `${socket.remoteAddress}:${socket.remotePort}`;
    this.watches = new ConnectionWatches(door.watches, this);
    this.#turns = new Turns(({ atMs }) => {
      door.latency.note(performance.now() - atMs);
      // As soon as it does not read: what the other answers are is seen when they are given.
      this.#turns.stalled = this.#outbox.stalledAtMs !== undefined;
    });
    this.#outbox = new Outbox(socket, door.flow, () => {
      this.#turns.stalled = false;
      this.#door.shares.want(this);
    });
    this.#intake = new Intake(socket, door.flow, this.#turns);
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', () => this.close('the connection broke'));
    socket.on('close', () => this.close('the client went'));
  }

  get outstanding(): number {
    return this.#turns.outstanding;
  }

  get session(): string {
    return this.#session;
  }

  get sessionHex(): string {
    return this.#sessionHex;
  }

  get greeting(): boolean {
    return this.#state === 'greeting';
  }

  notify(packet: Buffer): void {
    if (this.#state === 'open' && !this.#outbox.event(packet)) this.close('the client does not read');
  }

  /** Asked now and then: whether all goes on in its time. */
  look(nowMs: number): void {
    const { unreadMsMax } = this.#door.flow.bounds;
    const { stalledAtMs } = this.#outbox;
    if (stalledAtMs !== undefined && nowMs - stalledAtMs > unreadMsMax) return this.close('the client does not read');
    if (this.#intake.overdue(nowMs)) return this.close('a request was begun and not ended');
    const session = this.#door.group.state.sessions.get(this.#session);
    if (this.#session !== '' && !session) return this.close('its session expired');
    if (session && session.connection !== this.#number) return this.close('its session went to another server');
    // It is not heard because it is not read from, and that is not its own doing.
    if (this.#intake.waits && stalledAtMs === undefined && session) this.#door.group.touch(this.#session);
  }

  /** Ends the connection; what was answered goes out. The session stays, until its time is over. */
  close(why: string): void {
    if (this.#state === 'closed') return;
    this.#outbox.end();
    this.#state = 'closed';
    this.watches.clear();
    this.#turns.end();
    this.#reads = [];
    this.#localReads = [];
    this.#intake.end();
    this.#door.shares.forget(this);
    this.#door.closed(this, why);
    this.#socket.end();
    const linger = setTimeout(() => this.#socket.destroy(), 1_000).unref();
    this.#socket.once('close', () => clearTimeout(linger));
  }

  // ---- packets ----

  #receive(chunk: Buffer): void {
    if (this.#state === 'closed') return;
    this.#receivedAtMs = performance.now();
    this.#intake.push(chunk, this.#receivedAtMs);
    if (this.#session !== '') this.#door.group.touch(this.#session);
    const { shares } = this.#door;
    shares.want(this);
    // It waits in the row, and what it sends meanwhile waits with it, at the client.
    if (shares.has(this)) this.#intake.maybeWait();
  }

  /** Gives the answers that are ready, which makes room, then looks at what was asked; and again where that was answered at once. */
  work(untilMs: number): boolean {
    let steps = 0;
    const goOn = (): boolean => steps++ === 0 || performance.now() < untilMs;
    try {
      do {
        this.#turns.answerReady(goOn);
        this.#takeRequests(goOn);
        this.#askReads();
      } while (this.#turns.anyReady && goOn());
    } catch (error) {
      this.#handleFailure(error);
    }
    if (!this.#open) return false;
    this.#intake.goOnOrWait();
    return this.#turns.anyReady || (this.#intake.behind && this.#intake.mayAsk);
  }

  #takeRequests(goOn: () => boolean): void {
    while (this.#open && this.#intake.behind && this.#intake.mayAsk && goOn()) {
      if (this.greeting && this.#fourLetters()) return;
      const packet = this.#intake.next(this.greeting ? CONNECT_BYTES_MAX : PACKET_BYTES_MAX, this.#receivedAtMs);
      if (!packet) return;
      this.#packetBytes = packet.left + REQUEST_OVERHEAD_BYTES;
      this.received++;
      this.#door.received++;
      this.#handle(packet);
    }
  }

  /** It may be in the group's turn, which must go on: it is this connection's affair. */
  #handleFailure(error: unknown): void {
    if (error instanceof Malformed || error instanceof WatchesFull) return this.close(error.message);
    this.#door.log.error({ err: error, peer: this.peer }, 'nuwa.zookeeper.request-failed');
    this.close('a request could not be answered');
  }

  get #open(): boolean {
    return this.#state !== 'closed';
  }

  #fourLetters(): boolean {
    const { word } = this.#intake;
    const text = word === undefined ? undefined : answerOf(word, this.#door);
    if (text === undefined) return false;
    this.#socket.end(text);
    this.close('four letters');
    return true;
  }

  #handle(reader: Reader): void {
    if (this.#state === 'greeting') return this.#handleConnect(reader);
    if (this.#state === 'joining') throw new Malformed('a request before the session is open');
    const xid = reader.int();
    const op = reader.int();
    this.#handleRequest(xid, op, reader);
  }

  // ---- sessions ----

  #handleConnect(reader: Reader): void {
    const request = readConnect(reader);
    this.#state = 'joining';
    const { group } = this.#door;
    if (request.seenZxid <= group.state.revision) return this.#join(request);
    // It was told of more than is applied here. Unless this server is only behind, that was another group, or this one before it was restored.
    group.read((ok) => {
      if (!this.#open) return;
      if (ok && request.seenZxid <= group.state.revision) this.#join(request);
      else this.close('the client has seen more than there is');
    });
  }

  #join(request: ConnectRequest): void {
    const { group, ttlMs: bounds } = this.#door;
    const { sessionHex, password, isNew } = request;
    const ttlMs = Math.min(Math.max(request.timeoutMs, bounds.min), bounds.max);
    const open = { kind: 'openSession', creator: `zookeeper ${this.peer}`, connection: this.#number, ttlMs } as const;
    if (isNew) {
      const hex = newSessionHex();
      const own = randomBytes(16);
      group.submit({ ...open, session: sessionOf(hex), password: own }, (reply) => {
        if (reply?.kind === 'done') this.#joined(request, { sessionHex: hex, timeoutMs: ttlMs, password: own });
        else this.close('no session could be opened');
      });
      return;
    }
    // It is back. By the log, so that what it asked for over its old connection, and may be on its way still, is done before this or never.
    const again = { ...open, session: sessionOf(sessionHex), password: new Uint8Array(password), again: true };
    group.submit(again, (reply) => {
      if (!reply) return this.close('the group cannot be asked');
      const session = group.state.sessions.get(sessionOf(sessionHex));
      const lives = reply.kind === 'done' && session !== undefined;
      this.#joined(request, lives ? { sessionHex, timeoutMs: session.ttlMs, password } : undefined);
    });
  }

  #joined(request: ConnectRequest, session: OpenedSession | undefined): void {
    if (!this.#open) return;
    this.#outbox.packet((writer) => writeConnected(writer, request, session));
    this.#countSent();
    if (!session) return this.close('no such session');
    this.#sessionHex = session.sessionHex;
    this.#session = sessionOf(session.sessionHex);
    this.#state = 'open';
    this.#door.opened(this);
  }

  // ---- requests ----

  #handleRequest(xid: number, op: number, reader: Reader): void {
    if (op === OPS.ping) return this.#answered(() => this.#reply(XIDS.ping, ERRORS.ok));
    if (op === OPS.auth) return this.#handleAuth(reader);
    if (op === OPS.closeSession) return this.#handleClose(xid);
    if (op === OPS.multi) return this.#handleMulti(xid, reader);
    if (op === OPS.check) return this.#submitCheck(xid, readChange(op, reader, this.identities)!);
    const change = readChange(op, reader, this.identities);
    if (change) return this.#submitChange(xid, change);
    const look = readLook(op, reader) ?? readWatchRequest(op, reader);
    if (look) return this.#look(xid, look, op === OPS.sync);
    this.#answered(() => this.#reply(xid, ERRORS.unimplemented));
  }

  #handleAuth(reader: Reader): void {
    reader.int();
    const scheme = reader.string();
    const auth = reader.buffer();
    if (scheme === 'digest' && isUserAndPassword(auth) && this.identities.length <= IDENTITIES_MAX) {
      this.identities = [...this.identities, digestIdentity(auth)];
      return this.#answered(() => this.#reply(XIDS.auth, ERRORS.ok));
    }
    if (scheme === 'world') return this.#answered(() => this.#reply(XIDS.auth, ERRORS.ok));
    this.#answered(() => {
      this.#reply(XIDS.auth, ERRORS.authFailed);
      this.close(`authentication by ${scheme} failed`);
    });
  }

  #handleClose(xid: number): void {
    const slot = this.#wait(false, () => {
      this.#reply(xid, ERRORS.ok);
      this.close('its session was closed');
    });
    this.#submit({ kind: 'closeSession', session: this.#session, why: 'closed' }, slot);
  }

  #submitChange(xid: number, request: ChangeRequest): void {
    const { operation, error = ERRORS.badArguments, write } = request;
    if (!operation) return this.#answered(() => this.#reply(xid, error));
    const slot = this.#wait(false);
    this.#submit({ ...(operation as Change), ...this.#requestId() }, slot, (reply) => {
      if (reply.kind === 'done') this.#reply(xid, ERRORS.ok, (writer) => write(writer, reply), reply.revision);
      else this.#reply(xid, errorOf(reply), undefined, reply.revision);
    });
  }

  /** A check by itself is a transaction of one. */
  #submitCheck(xid: number, { operation, error = ERRORS.badArguments }: ChangeRequest): void {
    if (!operation) return this.#answered(() => this.#reply(xid, error));
    const slot = this.#wait(false);
    this.#submit({ kind: 'transaction', operations: [operation as Check], ...this.#requestId() }, slot, (reply) => {
      this.#reply(xid, reply.kind === 'done' ? ERRORS.ok : errorOf(reply), undefined, reply.revision);
    });
  }

  #handleMulti(xid: number, reader: Reader): void {
    const parts = readMulti(reader, this.identities);
    const bad = parts.findIndex(({ request }) => !request.operation);
    if (bad !== -1) {
      const error = parts[bad]!.request.error!;
      return this.#answered(() =>
        this.#reply(xid, ERRORS.ok, (writer) => writeMultiRefused(writer, parts.length, { error, operation: bad })),
      );
    }
    const operations = parts.map(({ request }) => request.operation!);
    const slot = this.#wait(false);
    this.#submit({ kind: 'transaction', operations, ...this.#requestId() }, slot, (reply) => {
      if (reply.kind === 'done') this.#reply(xid, ERRORS.ok, (writer) => writeMultiDone(writer, parts, reply), reply.revision);
      else if (reply.operation === undefined) this.#reply(xid, errorOf(reply), undefined, reply.revision);
      else this.#reply(xid, ERRORS.ok, (writer) => writeMultiRefused(writer, parts.length, reply), reply.revision);
    });
  }

  #look(xid: number, look: Look, isSync: boolean): void {
    const slot = this.#wait(true, () => {
      const { state } = this.#door.group;
      const seen = look({
        state,
        identities: this.identities,
        watches: this.watches,
        sessionHex: this.#sessionHex,
        from: this.#socket.remoteAddress ?? '',
      });
      if (typeof seen === 'number') this.#reply(xid, seen);
      else this.#reply(xid, ERRORS.ok, seen);
    });
    // `sync` is there to be asked for what reads that may be old would not see.
    if (this.#door.localReads && !isSync) this.#localReads.push(slot);
    else this.#reads.push(slot);
  }

  /** Once for all reads that came together. */
  #askReads(): void {
    const [reads, localReads] = [this.#reads, this.#localReads];
    this.#reads = [];
    this.#localReads = [];
    for (const slot of localReads) slot.ready = true;
    if (reads.length > 0)
      this.#door.group.read((ok) => {
        if (!this.#open) return;
        if (!ok) return this.close('the group cannot be asked');
        // Later in the row would show what is newer, and as true.
        for (const slot of reads) slot.ready = true;
        this.#door.shares.want(this);
      });
  }

  #requestId(): { session: string; request: number; settled: number; identities: string[]; wantStat: boolean; connection: number } {
    const session = this.#session;
    const identities = this.identities;
    return { session, request: 0, settled: 0, identities, wantStat: true, connection: this.#number };
  }

  #submit(command: Command, slot: Slot, answer?: (reply: Reply) => void): void {
    slot.submit = () => {
      this.#door.group.submit(command, (reply) => {
        if (!this.#open) return;
        if (!reply) return this.close('nobody knows whether a change was made');
        // Without an answer, as with ZooKeeper: the client is elsewhere by now, or is to connect anew.
        if (reply.kind === 'refused' && reply.code === 'SessionMoved') return this.close('its session went to another connection');
        if (answer) slot.answer = () => answer(reply);
        slot.ready = true;
        this.#door.shares.want(this);
      });
    };
    this.#turns.submitReady();
  }

  // ---- answers ----

  #wait(isRead: boolean, answer?: () => void): Slot {
    return this.#turns.wait({ isRead, bytes: this.#packetBytes, atMs: this.#receivedAtMs }, answer);
  }

  #answered(answer: () => void): void {
    this.#wait(false, answer).ready = true;
  }

  #reply(xid: number, error: number, body?: (writer: Writer) => void, zxid = this.#door.group.state.revision): void {
    this.#outbox.reply(xid, zxid, error, body);
    this.#countSent();
  }

  #countSent(): void {
    this.sent++;
    this.#door.sent++;
  }
}
