import { randomBytes } from 'node:crypto';
import type { Reader, Writer } from './wire.ts';

/** The first packet of a client, and the answer to it. */
export interface ConnectRequest {
  /** The last change that it was told of, by whichever server. */
  readonly seenZxid: number;
  readonly timeoutMs: number;
  readonly sessionHex: string;
  readonly password: Buffer;
  /** It has no session yet. */
  readonly isNew: boolean;
  /** Clients before 3.4 neither send nor expect the flag of read-only servers. */
  readonly withReadOnly: boolean;
}

export interface OpenedSession {
  readonly sessionHex: string;
  readonly timeoutMs: number;
  readonly password: Uint8Array;
}

const NO_SESSION: OpenedSession = { sessionHex: '0000000000000000', timeoutMs: 0, password: Buffer.alloc(16) };

export function readConnect(reader: Reader): ConnectRequest {
  reader.int(); // version of the protocol
  const seenZxid = reader.long();
  const timeoutMs = reader.int();
  const sessionHex = reader.longHex();
  const password = reader.buffer();
  return { seenZxid, timeoutMs, sessionHex, password, isNew: /^0+$/.test(sessionHex), withReadOnly: reader.left > 0 };
}

/** Undefined: the session that it asked for is not there. */
export function writeConnected(writer: Writer, { withReadOnly }: ConnectRequest, session: OpenedSession = NO_SESSION): void {
  writer.int(0);
  writer.int(session.timeoutMs);
  writer.longHex(session.sessionHex);
  writer.buffer(session.password);
  if (withReadOnly) writer.bool(false);
}

/** Random, positive and never 0: servers need not agree on who gives out which. */
export function newSessionHex(): string {
  const bytes = randomBytes(8);
  bytes[0] = (bytes[0]! & 0x7f) | 0x10;
  return bytes.toString('hex');
}

const IDENTITY_BYTES_MAX = 255;
const COLON = 0x3a;

export function isUserAndPassword(auth: Buffer): boolean {
  return auth.length <= IDENTITY_BYTES_MAX && auth.includes(COLON);
}
