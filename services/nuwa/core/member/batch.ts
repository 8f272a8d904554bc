import { assertNever } from '../../../base/assert.ts';
import type { Acl } from '../../contract.ts';
import type { Change, Check, Command, Guard, Write } from '../tree/command.ts';
import { BytesReader } from './bytes-reader.ts';
import { BytesWriter } from './bytes-writer.ts';

/**
 * The commands that one server gathered in one turn, as the bytes of one log entry. Fields stand one after the other without names; a byte of
 * flags says which of the optional ones are there. Every byte is written to every disk and decoded by every other server, and at tens of
 * thousands of commands a second a format with names would cost more than the tree does.
 *
 * A batch is in the log for good, so a change of the format needs a new FORMAT and a reader of the old one.
 */
export interface CommandBatch {
  /** Who submitted it: a server, and which of its starts. A server that started again must not take old entries for answers to new questions. */
  readonly origin: string;
  /** Of the first command, the next ones count on from it; below 0 for commands of the server's own, that nobody waits for. */
  readonly firstId: number;
  readonly commands: readonly Command[];
}

/** Enough to know whether the commands are at hand already. */
export type BatchHead = Pick<CommandBatch, 'origin' | 'firstId'>;

const FORMAT = 1;

/** Kinds of commands and of a transaction's operations, as bytes. Never to be renumbered. */
const KIND = {
  openSession: 0,
  closeSession: 1,
  reap: 2,
  create: 3,
  set: 4,
  delete: 5,
  setAcl: 6,
  transaction: 7,
  check: 8,
  openHeldSession: 9,
} as const;

const writer = new BytesWriter();

export function encodeBatch({ origin, firstId, commands }: CommandBatch): Uint8Array {
  writer.begin();
  writer.byte(FORMAT);
  writer.text(origin);
  writer.int(firstId);
  writer.uint(commands.length);
  for (const command of commands) writeCommand(command);
  return writer.take();
}

export function decodeHead(bytes: Uint8Array): BatchHead {
  return readHead(new BytesReader(bytes));
}

/** Values are views of `bytes`: the tree copies what it keeps. */
export function decodeBatch(bytes: Uint8Array): CommandBatch {
  const reader = new BytesReader(bytes);
  const { origin, firstId } = readHead(reader);
  const commands = new Array<Command>(reader.count());
  for (let i = 0; i < commands.length; i++) commands[i] = readCommand(reader);
  return { origin, firstId, commands };
}

function readHead(reader: BytesReader): BatchHead {
  const format = reader.byte();
  if (format !== FORMAT) throw new Error(`a batch of format ${format}, this server reads ${FORMAT}`);
  return { origin: reader.text(), firstId: reader.int() };
}

const WITH_PASSWORD = 1;
const ON_CONNECTION = 2;
const AGAIN = 4;

function writeCommand(command: Command): void {
  switch (command.kind) {
    case 'openSession':
      // A kind of its own, so that a server that knows nothing of holders stops at it rather than misreads it.
      writer.byte(command.holder === undefined ? KIND.openSession : KIND.openHeldSession);
      if (command.holder !== undefined) writer.text(command.holder);
      writer.text(command.session);
      writer.uint(command.ttlMs);
      writer.text(command.creator);
      writer.byte(
        (command.password ? WITH_PASSWORD : 0) | (command.connection === undefined ? 0 : ON_CONNECTION) | (command.again ? AGAIN : 0),
      );
      if (command.password) writer.bytes(command.password);
      if (command.connection !== undefined) writer.uint(command.connection);
      return;
    case 'closeSession':
      writer.byte(KIND.closeSession);
      writer.text(command.session);
      writer.byte(command.why === 'expired' ? 1 : 0);
      return;
    case 'reap':
      writer.byte(KIND.reap);
      writer.text(command.path);
      writer.uint(command.createRevision);
      writer.uint(command.modifyRevision);
      return;
    default:
      writeWrite(command);
  }
}

function readCommand(reader: BytesReader): Command {
  const kind = reader.byte();
  switch (kind) {
    case KIND.openSession:
    case KIND.openHeldSession: {
      const holder = kind === KIND.openHeldSession ? reader.text() : undefined;
      const open = { kind: 'openSession', session: reader.text(), ttlMs: reader.uint(), creator: reader.text() } as const;
      const flags = reader.byte();
      return {
        ...open,
        ...(holder === undefined ? {} : { holder }),
        ...(flags & WITH_PASSWORD ? { password: reader.bytes() } : {}),
        ...(flags & ON_CONNECTION ? { connection: reader.uint() } : {}),
        ...(flags & AGAIN ? { again: true } : {}),
      };
    }
    case KIND.closeSession:
      return { kind: 'closeSession', session: reader.text(), why: reader.byte() ? 'expired' : 'closed' };
    case KIND.reap:
      return { kind: 'reap', path: reader.text(), createRevision: reader.uint(), modifyRevision: reader.uint() };
    default:
      return readWrite(reader, kind);
  }
}

// ---- changes of nodes ----

const WITH_IDENTITIES = 1;
const WITH_STAT = 2;
const WITH_CONNECTION = 4;

function writeWrite(write: Write): void {
  writer.byte(KIND[write.kind]);
  writer.byte(
    (write.identities ? WITH_IDENTITIES : 0) | (write.wantStat ? WITH_STAT : 0) | (write.connection === undefined ? 0 : WITH_CONNECTION),
  );
  writer.text(write.session);
  writer.uint(write.request);
  writer.uint(write.settled);
  if (write.identities) {
    writer.texts(write.identities);
  }
  if (write.connection !== undefined) writer.uint(write.connection);
  if (write.kind !== 'transaction') return writeOperation(write);
  writer.uint(write.operations.length);
  for (const operation of write.operations) {
    writer.byte(KIND[operation.kind]);
    writeOperation(operation);
  }
}

function readWrite(reader: BytesReader, kind: number): Write {
  const flags = reader.byte();
  const session = reader.text();
  const request = reader.uint();
  const settled = reader.uint();
  const identities = flags & WITH_IDENTITIES ? reader.texts() : undefined;
  const wantStat = flags & WITH_STAT ? true : undefined;
  const connection = flags & WITH_CONNECTION ? reader.uint() : undefined;
  const id = { session, request, settled, identities, wantStat, connection };
  if (kind !== KIND.transaction) return Object.assign(readOperation(reader, kind) as Change, id);
  const operations = new Array<Change | Check>(reader.count());
  for (let i = 0; i < operations.length; i++) operations[i] = readOperation(reader, reader.byte());
  return { kind: 'transaction', operations, ...id };
}

const EPHEMERAL = 1;
const SEQUENTIAL = 2;
const PARENTS = 4;
const REPLACE = 8;
const CONTAINER = 16;
const WITH_TTL = 32;
const WITH_ACL = 64;
const NO_VALUE = 128;

const WITH_VERSION = 1;
const WITH_CREATE_REVISION = 2;
const RECURSIVE = 4;
const ABSENT = 8;
const SET_TO_NONE = 16;

function writeOperation(operation: Change | Check): void {
  switch (operation.kind) {
    case 'create': {
      const { ephemeral, sequential, parents, replace, container, ttlMs, acl, noValue } = operation;
      writer.byte(
        (ephemeral ? EPHEMERAL : 0) |
          (sequential ? SEQUENTIAL : 0) |
          (parents ? PARENTS : 0) |
          (replace ? REPLACE : 0) |
          (container ? CONTAINER : 0) |
          (ttlMs === undefined ? 0 : WITH_TTL) |
          (acl ? WITH_ACL : 0) |
          (noValue ? NO_VALUE : 0),
      );
      writer.text(operation.path);
      writer.bytes(operation.value);
      if (ttlMs !== undefined) writer.int(ttlMs);
      if (acl) writeAcl(acl);
      return;
    }
    case 'set':
      writeGuard(operation, operation.noValue ? SET_TO_NONE : 0);
      writer.text(operation.path);
      return writer.bytes(operation.value);
    case 'delete':
      writeGuard(operation, operation.recursive ? RECURSIVE : 0);
      return writer.text(operation.path);
    case 'check':
      writeGuard(operation, operation.absent ? ABSENT : 0);
      return writer.text(operation.path);
    case 'setAcl':
      writer.byte(operation.aclVersion === undefined ? 0 : WITH_VERSION);
      writer.text(operation.path);
      writeAcl(operation.acl);
      if (operation.aclVersion !== undefined) writer.int(operation.aclVersion);
      return;
    default:
      assertNever(operation);
  }
}

function readOperation(reader: BytesReader, kind: number): Change | Check {
  const flags = reader.byte();
  switch (kind) {
    case KIND.create:
      return {
        kind: 'create',
        path: reader.text(),
        value: reader.bytes(),
        ephemeral: (flags & EPHEMERAL) !== 0,
        sequential: (flags & SEQUENTIAL) !== 0,
        parents: (flags & PARENTS) !== 0,
        replace: (flags & REPLACE) !== 0,
        container: (flags & CONTAINER) !== 0,
        ttlMs: flags & WITH_TTL ? reader.int() : undefined,
        acl: flags & WITH_ACL ? readAcl(reader) : undefined,
        ...(flags & NO_VALUE ? { noValue: true } : {}),
      };
    case KIND.set: {
      const version = flags & WITH_VERSION ? reader.int() : undefined;
      const createRevision = flags & WITH_CREATE_REVISION ? reader.int() : undefined;
      const set = { kind: 'set', path: reader.text(), value: reader.bytes(), version, createRevision } as const;
      return flags & SET_TO_NONE ? { ...set, noValue: true } : set;
    }
    case KIND.delete:
    case KIND.check: {
      const version = flags & WITH_VERSION ? reader.int() : undefined;
      const createRevision = flags & WITH_CREATE_REVISION ? reader.int() : undefined;
      const path = reader.text();
      return kind === KIND.delete
        ? { kind: 'delete', path, recursive: (flags & RECURSIVE) !== 0, version, createRevision }
        : { kind: 'check', path, absent: (flags & ABSENT) !== 0, version, createRevision };
    }
    case KIND.setAcl: {
      const path = reader.text();
      const acl = readAcl(reader);
      return { kind: 'setAcl', path, acl, aclVersion: flags & WITH_VERSION ? reader.int() : undefined };
    }
    default:
      throw new Error(`a batch with a command of kind ${kind}`);
  }
}

function writeGuard({ version, createRevision }: Guard, flags: number): void {
  writer.byte(flags | (version === undefined ? 0 : WITH_VERSION) | (createRevision === undefined ? 0 : WITH_CREATE_REVISION));
  if (version !== undefined) writer.int(version);
  if (createRevision !== undefined) writer.int(createRevision);
}

function writeAcl(acl: Acl): void {
  writer.uint(acl.length);
  for (const { permissions, scheme, id } of acl) {
    writer.int(permissions);
    writer.text(scheme);
    writer.text(id);
  }
}

function readAcl(reader: BytesReader): Acl {
  const acl = new Array<Acl[number]>(reader.count());
  for (let i = 0; i < acl.length; i++) acl[i] = { permissions: reader.int(), scheme: reader.text(), id: reader.text() };
  return acl;
}
