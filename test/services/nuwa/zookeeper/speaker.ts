import { createHash } from 'node:crypto';
import { ERRORS, EVENTS, OPS } from '../../../../services/nuwa/zookeeper/protocol.ts';
import type { Reader, Writer } from '../../../../services/nuwa/zookeeper/wire.ts';
import { ZkClient, type ZkReply } from './zk-client.ts';

export const OPEN: readonly AclEntry[] = [[31, 'world', 'anyone']];
export type AclEntry = [permissions: number, scheme: string, id: string];
export const AUTH: AclEntry = [31, 'auth', ''];
export const digestOf = (user: string, password: string): string =>
  `${user}:${createHash('sha1').update(`${user}:${password}`).digest('base64')}`;

const nameIn = (table: Record<string, number>, value: number): string =>
  Object.entries(table).find(([, each]) => each === value)?.[0] ?? String(value);

interface Making {
  flags?: number;
  ttlMs?: number;
  acl?: readonly AclEntry[];
}

/** One client in a conversation: says something, and writes down what it was answered. */
export class Speaker {
  readonly name: string;
  readonly address: string;
  readonly zk: ZkClient;
  readonly lines: string[];
  #heard = 0;

  constructor(name: string, address: string, lines: string[]) {
    this.name = name;
    this.address = address;
    this.zk = new ZkClient(address);
    this.lines = lines;
  }

  async open(): Promise<void> {
    if (!(await this.zk.connect({ timeoutMs: 8_000 }))) throw new Error(`${this.address} opens no session`);
  }

  async say(
    what: string,
    op: number,
    body: (writer: Writer) => void = () => {},
    read: ((reader: Reader, speaker: Speaker) => string) | undefined = undefined,
    xid?: number,
  ): Promise<ZkReply> {
    const reply = await this.zk.request(op, body, xid);
    let said = nameIn(ERRORS, reply.error);
    if (reply.error === 0 && read) said += ` ${read(reply.body, this)}`;
    if (reply.body.left > 0) said += ` and ${reply.body.left} bytes more`;
    this.lines.push(visible(`${this.name}: ${what} -> ${said}`));
    return reply;
  }

  create(at: string, value: string | undefined, { op = OPS.create as number, ...making }: Making & { op?: number } = {}): Promise<ZkReply> {
    const { flags = 0, ttlMs, acl } = making;
    const more = `${value === undefined ? ' none' : ''}${ttlMs === undefined ? '' : ` ttl ${ttlMs}`}${acl ? ` acl ${JSON.stringify(acl)}` : ''}`;
    const read = (reader: Reader): string => reader.string() + (op === OPS.create ? '' : ` ${stat(reader, this)}`);
    return this.say(`${nameIn(OPS, op)} ${JSON.stringify(at)} flags ${flags}${more}`, op, create(at, value, making), read);
  }

  set(at: string, value: string | undefined, version = -1): Promise<ZkReply> {
    return this.say(
      `setData ${JSON.stringify(at)}${value === undefined ? ' none' : ''} ${version}`,
      OPS.setData,
      set(at, value, version),
      stat,
    );
  }

  delete(at: string, version = -1): Promise<ZkReply> {
    return this.say(`delete ${JSON.stringify(at)} ${version}`, OPS.delete, check(at, version));
  }

  multi(what: string, parts: [op: number, body: (writer: Writer) => void][], op: number = OPS.multi): Promise<ZkReply> {
    const body = (writer: Writer): void => {
      for (const [part, write] of parts) {
        multiHeader(writer, part, false);
        write(writer);
      }
      multiHeader(writer, -1, true);
    };
    return this.say(`${nameIn(OPS, op)}: ${what}`, op, body, results);
  }

  /** All events that came since the last time. */
  async hear(): Promise<void> {
    await this.zk.request(OPS.sync, path('/'));
    const heard = this.zk.events.slice(this.#heard).map(({ type, path }) => `${nameIn(EVENTS, type)} ${path}`);
    this.#heard = this.zk.events.length;
    this.lines.push(`${this.name} heard: ${heard.join(', ') || 'nothing'}`);
  }
}

/** What cannot be seen, or would look like something else, by its number. */
function visible(line: string): string {
  return line.replace(/[^\x20-\x7e\p{L}]/gu, (each) => `\\u{${each.codePointAt(0)!.toString(16)}}`);
}

// ---- bodies of requests ----

export const path =
  (at: string, watch?: boolean) =>
  (writer: Writer): void => {
    writer.string(at);
    if (watch !== undefined) writer.bool(watch);
  };

export const check =
  (at: string, number: number) =>
  (writer: Writer): void => {
    writer.string(at);
    writer.int(number);
  };

export const addWatch = check;

export const set =
  (at: string, value: string | undefined, version: number) =>
  (writer: Writer): void => {
    writer.string(at);
    writeValue(writer, value);
    writer.int(version);
  };

export const create =
  (at: string, value: string | undefined, { flags = 0, ttlMs, acl = OPEN }: Making = {}) =>
  (writer: Writer): void => {
    writer.string(at);
    writeValue(writer, value);
    writeAcl(writer, acl);
    writer.int(flags);
    if (ttlMs !== undefined) writer.long(ttlMs);
  };

export const setAcl =
  (at: string, acl: readonly AclEntry[], version: number) =>
  (writer: Writer): void => {
    writer.string(at);
    writeAcl(writer, acl);
    writer.int(version);
  };

export const auth =
  (scheme: string, shown: string) =>
  (writer: Writer): void => {
    writer.int(0);
    writer.string(scheme);
    writer.buffer(Buffer.from(shown));
  };

/** Undefined: none, which is not an empty one. */
function writeValue(writer: Writer, value: string | undefined): void {
  if (value === undefined) writer.int(-1);
  else writer.buffer(Buffer.from(value));
}

function writeAcl(writer: Writer, acl: readonly AclEntry[]): void {
  writer.vector(acl, ([permissions, scheme, id]) => {
    writer.int(permissions);
    writer.string(scheme);
    writer.string(id);
  });
}

function multiHeader(writer: Writer, op: number, done: boolean): void {
  writer.int(op);
  writer.bool(done);
  writer.int(-1);
}

// ---- what replies say ----

export function stat(reader: Reader, { zk }: Speaker): string {
  const [czxid, mzxid] = [reader.long(), reader.long()];
  const [ctime, mtime] = [reader.long(), reader.long()];
  const [version, cversion, aversion] = [reader.int(), reader.int(), reader.int()];
  const owner = reader.longHex();
  const [length, children, pzxid] = [reader.int(), reader.int(), reader.long()];
  const whose = /^0+$/.test(owner) ? 'nobody' : owner === zk.sessionHex ? 'me' : 'somebody';
  const order = `${mzxid > czxid ? 'set' : 'new'}${pzxid > czxid ? ' parent' : ''}${mtime < ctime ? ' TIMES' : ''}`;
  return `[${order} v${version} c${cversion} a${aversion} of ${whose}, ${length} bytes, ${children} children]`;
}

function data(reader: Reader): string {
  const bytes = reader.int();
  return bytes === -1 ? 'none' : JSON.stringify(reader.bytes(bytes).toString());
}

export const names = (reader: Reader): string => `{${reader.vector(() => reader.string()).sort()}}`;
export const namesAndStat = (reader: Reader, speaker: Speaker): string => `${names(reader)} ${stat(reader, speaker)}`;
export const dataAndStat = (reader: Reader, speaker: Speaker): string => `${data(reader)} ${stat(reader, speaker)}`;
export const error = (reader: Reader): string => nameIn(ERRORS, reader.int());
export const aclAndStat = (reader: Reader, speaker: Speaker): string =>
  `${reader.vector(() => `${reader.int()} ${reader.string()}:${reader.string()}`)} ${stat(reader, speaker)}`;
export const whoAmI = (reader: Reader): string => reader.vector(() => `${reader.string()}:${reader.string()}`).join(' ');

function results(reader: Reader, speaker: Speaker): string {
  const said: string[] = [];
  for (;;) {
    const [op, done, err] = [reader.int(), reader.bool(), reader.int()];
    if (done) return `${said.join('; ')}${said.length > 0 ? '; ' : ''}done ${op} ${err}`;
    const name = `${nameIn(OPS, op)} ${nameIn(ERRORS, err)}`;
    if (op === OPS.error) said.push(`${name} ${error(reader)}`);
    else if (op === OPS.create) said.push(`${name} ${reader.string()}`);
    else if (op === OPS.create2) said.push(`${name} ${reader.string()} ${stat(reader, speaker)}`);
    else if (op === OPS.setData) said.push(`${name} ${stat(reader, speaker)}`);
    else if (op === OPS.getData) said.push(`${name} ${dataAndStat(reader, speaker)}`);
    else if (op === OPS.getChildren) said.push(`${name} ${names(reader)}`);
    else said.push(name);
  }
}
