import { type ErrorClass, FeitianError } from '../../base/errors.ts';
import { KUAFU_CODES, type KuafuCode, KuafuError, type ServiceContract } from '../contract.ts';

/** What the bodies of frames say. Each `parse…` returns undefined for what is no such message. */
export const MAGIC = 'kuafu';
export const VERSION = 2;

/** What each stream may have on the way at its beginning. */
export const WINDOW_BYTES = 256 * 1024;

export interface Hello {
  magic: typeof MAGIC;
  version: number;
  /** Bytes of data that each stream may send before the first credit comes. */
  windowBytes: number;
  /** A server's that asks who calls: its cluster, and the nonce of this connection's challenge. */
  cluster?: string;
  nonce?: Uint8Array;
}

/** No window is larger than this; what is announced beyond is a mistake of the peer, or an attempt on our memory. */
const HELLO_WINDOW_BYTES_MAX = 64 * 1024 * 1024;

/** In one sentence what is wrong with the peer's hello, or undefined. */
export function helloProblem(body: unknown): string | undefined {
  if (!isRecord(body) || body.magic !== MAGIC) return 'the peer does not speak Kuafu';
  if (body.version !== VERSION) return `the peer speaks version ${said(body.version)} of Kuafu, here it is ${VERSION}`;
  if (windowOf(body) === undefined) return `the peer's streams begin with a window of ${said(body.windowBytes)} bytes`;
  return undefined;
}

/** Of a hello without problem: what each stream may send to that peer before the first credit comes. */
export function windowOf(body: unknown): number | undefined {
  const { windowBytes = WINDOW_BYTES } = body as Partial<Hello>;
  return Number.isInteger(windowBytes) && windowBytes >= 0 && windowBytes <= HELLO_WINDOW_BYTES_MAX ? windowBytes : undefined;
}

/** Service, method, milliseconds the caller will still wait, request (nil when there is none and something follows), W3C traceparent (left out when there is none). */
export type RequestBody = [service: string, method: string, remainingMs: number, request?: unknown, trace?: string];

/** 2^63 and such come as BigInt from languages that have them; a number that large is no time, whatever was meant. */
export function remainingProblem(remainingMs: number): string | undefined {
  if (Math.abs(remainingMs) <= Number.MAX_SAFE_INTEGER) return undefined;
  return `malformed: ${remainingMs} as the milliseconds that are left; they are less than 2^53, and 2^48 is no deadline`;
}

/** See remainingProblem: what is left may be too large a number. */
export function parseRequest(body: unknown): RequestBody | undefined {
  if (!Array.isArray(body) || body.length < 3 || body.length > 5) return undefined;
  const [service, method, left, request, trace] = body;
  const remainingMs = typeof left === 'bigint' ? Number(left) : left;
  if (typeof service !== 'string' || typeof method !== 'string' || typeof remainingMs !== 'number' || !Number.isFinite(remainingMs))
    return undefined;
  if (trace === undefined) return left === remainingMs ? (body as RequestBody) : [service, method, remainingMs, request];
  return typeof trace === 'string' ? [service, method, remainingMs, request ?? undefined, trace] : undefined;
}

export interface ErrorBody {
  name: string;
  code: string;
  reason: string;
  details: Record<string, unknown>;
}

/** Typed errors were written to be told. What else went wrong is not for callers, who may be anybody: they get the number under which the server's log has it. */
export function errorToBody(error: unknown, logged: string): ErrorBody {
  if (error instanceof FeitianError) return { name: error.name, code: error.code, reason: error.reason, details: error.details };
  const reason = `it failed for a reason that is not told; the server's log has it as ${logged}`;
  return { name: KuafuError.name, code: 'Internal', reason, details: { logged } };
}

/** The contract's own error class when the body names it, so that `catch` looks the same as for a local call; KuafuError otherwise. */
export function errorFromBody(body: unknown, contract: ServiceContract): FeitianError {
  if (!isRecord(body) || typeof body.name !== 'string' || typeof body.code !== 'string') {
    return new KuafuError('Internal', 'the server answered with an error that is none');
  }
  const { name, code } = body;
  const reason = typeof body.reason === 'string' ? body.reason : '';
  const details = isRecord(body.details) ? body.details : {};
  const errors: ErrorClass = contract.errors;
  if (name === errors.name && errors.codes.includes(code)) return new errors(code as never, reason, { details });
  if (name === KuafuError.name && isKuafuCode(code)) return new KuafuError(code, reason, { details });
  return new KuafuError('Internal', `${name}: ${code}: ${reason}`, { details: { ...details, error: { name, code } } });
}

/** `details.notRun` of a refusal: the call never reached a handler, so any method may be sent again. */
export function neverRan(error: unknown): boolean {
  return error instanceof KuafuError && (error.code === 'Overloaded' || error.details.notRun === true);
}

function isKuafuCode(code: string): code is KuafuCode {
  return (KUAFU_CODES as readonly string[]).includes(code);
}

/** A text in quotes, so that "2" is told from 2. */
function said(value: unknown): string {
  return typeof value === 'string' ? `"${value}"` : String(value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
