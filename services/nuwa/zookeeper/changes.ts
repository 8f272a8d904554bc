import { createHash } from 'node:crypto';
import type { Acl } from '../contract.ts';
import { NO_BYTES } from '../core/tree/bytes.ts';
import type { Change, Check, Done, Refused } from '../core/tree/command.ts';
import { isFeitians } from './feitian-nodes.ts';
import { ERRORS, errorOf, MODES, OPS, readAcl, writeStat } from './protocol.ts';
import { systemProblem } from './system-nodes.ts';
import { Malformed, type Reader, type Writer } from './wire.ts';

/** Requests that change the tree: how they are read, what command they are, how its reply is written. */
export interface ChangeRequest {
  /** Absent: `error` is the answer already. */
  operation?: Change | Check;
  error?: number;
  /** Writes the body of the reply to one that was done. */
  write(writer: Writer, result: { path?: string; stat?: Done['stat'] }): void;
}

const NO_BODY = (): void => {};
const PATH_BODY: ChangeRequest['write'] = (writer, { path }) => writer.string(path!);
const PATH_AND_STAT: ChangeRequest['write'] = (writer, { path, stat }) => {
  writer.string(path!);
  writeStat(writer, stat!);
};
const STAT_BODY: ChangeRequest['write'] = (writer, { stat }) => writeStat(writer, stat!);

/** Any version: -1. */
const guardOf = (version: number): { version?: number } => (version === -1 ? {} : { version });

/** No value is not an empty one: clients get back what they gave. */
function readValue(reader: Reader): { value: Uint8Array; noValue?: boolean } {
  const value = reader.bufferOrNone();
  return value ? { value } : { value: NO_BYTES, noValue: true };
}

/** A request that changes the tree, or would; undefined: no such one. */
export function readChange(op: number, reader: Reader, identities: readonly string[]): ChangeRequest | undefined {
  const request = readAnyChange(op, reader, identities);
  const { operation } = request ?? {};
  const error = operation && problemOf(operation);
  return error === undefined ? request : { error, write: request!.write };
}

/** Nobody gets as far as the tree with it. A check tells of a node as a read does. */
function problemOf(operation: Change | Check): number | undefined {
  if (isFeitians(operation.path)) return ERRORS.noAuth;
  return operation.kind === 'check' ? undefined : systemProblem(operation);
}

function readAnyChange(op: number, reader: Reader, identities: readonly string[]): ChangeRequest | undefined {
  switch (op) {
    case OPS.create:
    case OPS.create2:
    case OPS.createContainer:
    case OPS.createTtl:
      return readCreate(op, reader, identities);
    case OPS.delete:
      return { operation: { kind: 'delete', path: reader.string(), ...guardOf(reader.int()) }, write: NO_BODY };
    case OPS.setData:
      return { operation: { kind: 'set', path: reader.string(), ...readValue(reader), ...guardOf(reader.int()) }, write: STAT_BODY };
    case OPS.setAcl: {
      const path = reader.string();
      const acl = expandAuth(readAcl(reader), identities);
      const version = reader.int();
      return { operation: { kind: 'setAcl', path, acl, ...(version === -1 ? {} : { aclVersion: version }) }, write: STAT_BODY };
    }
    case OPS.check:
      return { operation: { kind: 'check', path: reader.string(), ...guardOf(reader.int()) }, write: NO_BODY };
    default:
      return undefined;
  }
}

function readCreate(op: number, reader: Reader, identities: readonly string[]): ChangeRequest {
  const path = reader.string();
  const given = readValue(reader);
  const acl = expandAuth(readAcl(reader), identities);
  const mode = MODES[reader.int()];
  const ttlMs = op === OPS.createTtl ? reader.long() : undefined;
  const write = op === OPS.create ? PATH_BODY : PATH_AND_STAT;
  if (!mode || (mode.ttl === true) !== (ttlMs !== undefined) || (ttlMs !== undefined && ttlMs <= 0))
    return { error: ERRORS.badArguments, write };
  const { ephemeral, sequential, container } = mode;
  return { operation: { kind: 'create', path, ...given, acl, ephemeral, sequential, container, ttlMs }, write };
}

/** Scheme `auth` stands for everybody whom the connection showed itself to be. */
function expandAuth(acl: Acl, identities: readonly string[]): Acl {
  if (!acl.some(({ scheme }) => scheme === 'auth')) return acl;
  // Not the world, which everybody is. Who showed nothing has no such ACL: an empty one is refused.
  const shown = identities.filter((identity) => !identity.startsWith('world:'));
  if (shown.length === 0) return [];
  return acl.flatMap((entry) => {
    if (entry.scheme !== 'auth') return [entry];
    return shown.map((identity) => {
      const at = identity.indexOf(':');
      return { permissions: entry.permissions, scheme: identity.slice(0, at), id: identity.slice(at + 1) };
    });
  });
}

/** Who shows `user:password` is `digest:user:base64(sha1(user:password))` (`DigestAuthenticationProvider`). */
export function digestIdentity(auth: Buffer): string {
  const text = auth.toString('utf8');
  return `digest:${text.slice(0, Math.max(0, text.indexOf(':')))}:${createHash('sha1').update(auth).digest('base64')}`;
}

/** A transaction, as `multi` has them. */
export function readMulti(reader: Reader, identities: readonly string[]): { op: number; request: ChangeRequest }[] {
  const parts: { op: number; request: ChangeRequest }[] = [];
  for (;;) {
    const op = reader.int();
    const done = reader.bool();
    reader.int();
    if (done) return parts;
    const request = readChange(op, reader, identities);
    if (!request) throw new Malformed(`operation ${op} in a transaction`);
    parts.push(resultOf(op, request));
  }
}

/** Clients know two kinds of results for what was made. ZooKeeper gives the one without a stat where they might expect the one with it, too. */
function resultOf(op: number, request: ChangeRequest): { op: number; request: ChangeRequest } {
  if (op === OPS.create2) return { op: OPS.create, request: { ...request, write: PATH_BODY } };
  return { op: op === OPS.createContainer || op === OPS.createTtl ? OPS.create2 : op, request };
}

export function writeMultiDone(writer: Writer, parts: readonly { op: number; request: ChangeRequest }[], { results = [] }: Done): void {
  parts.forEach(({ op, request }, i) => {
    multiHeader(writer, op, false, 0);
    request.write(writer, results[i]!);
  });
  multiHeader(writer, OPS.error, true, -1);
}

/** Those before the one that failed are told that they would have been done, those after it that nobody tried. */
export function writeMultiRefused(writer: Writer, count: number, refused: Refused | { error: number; operation: number }): void {
  const failed = refused.operation ?? 0;
  const error = 'error' in refused ? refused.error : errorOf(refused);
  for (let i = 0; i < count; i++) {
    const each = i < failed ? ERRORS.ok : i === failed ? error : ERRORS.runtimeInconsistency;
    multiHeader(writer, OPS.error, false, each);
    writer.int(each);
  }
  multiHeader(writer, OPS.error, true, -1);
}

export function multiHeader(writer: Writer, op: number, done: boolean, error: number): void {
  writer.int(op);
  writer.bool(done);
  writer.int(error);
}
