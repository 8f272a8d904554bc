import { NuwaError, VALUE_BYTES_MAX } from '../contract.ts';

/**
 * What callers whom no compiler told may give the client. Each public method looks at its arguments here first, so that who errs hears of it as of any other refusal,
 * from the method that was called, and before a server is asked. What a path or a number says is for the servers to judge: this is about what it is.
 */
type Kind = 'boolean' | 'string' | 'integer' | 'signal' | 'mode';
type Shape = Readonly<Record<string, Kind>>;

export const READ = { stale: 'boolean' } as const satisfies Shape;
export const PAGE = { ...READ, after: 'string', limit: 'integer' } as const satisfies Shape;
export const SET = { version: 'integer' } as const satisfies Shape;
export const DELETE = { version: 'integer', recursive: 'boolean' } as const satisfies Shape;
export const CREATE = {
  ephemeral: 'boolean',
  sequential: 'boolean',
  parents: 'boolean',
  container: 'boolean',
  ttlMs: 'integer',
} as const satisfies Shape;
export const FOLLOW = { recursive: 'boolean', signal: 'signal' } as const satisfies Shape;
export const WATCH = { ...FOLLOW, afterRevision: 'integer' } as const satisfies Shape;
export const WAIT = { signal: 'signal' } as const satisfies Shape;
export const LOCK = { ...WAIT, mode: 'mode', holder: 'string' } as const satisfies Shape;
export const CONNECT = { cluster: 'string', creator: 'string', ttlMs: 'integer', timeoutMs: 'integer' } as const satisfies Shape;

const OPERATIONS: Readonly<Record<string, Shape>> = {
  create: CREATE,
  set: SET,
  delete: DELETE,
  check: { version: 'integer', createRevision: 'integer', absent: 'boolean' },
};

/** Errors: BadArguments. */
export function assertPath(path: string): void {
  if (typeof path !== 'string') throw bad(`a path is a string, not ${nameOf(path)}`);
}

/** Errors: ValueTooLarge, BadArguments. */
export function assertValue(value: Uint8Array): void {
  if (!(value instanceof Uint8Array)) throw bad(`a value is a Uint8Array, not ${nameOf(value)}`);
  if (value.length > VALUE_BYTES_MAX) throw new NuwaError('ValueTooLarge', `${value.length} bytes, the limit is ${VALUE_BYTES_MAX}`);
}

/** Errors: BadArguments. What is absent is as it is by default. */
export function assertOptions(options: object | undefined, shape: Shape): void {
  if (options === undefined) return;
  if (typeof options !== 'object' || options === null) throw bad(`options are an object, not ${nameOf(options)}`);
  for (const field in shape) {
    const value: unknown = (options as Record<string, unknown>)[field];
    if (value !== undefined && !fits(value, shape[field]!)) throw bad(`${field} is ${WHAT[shape[field]!]}, not ${nameOf(value)}`);
  }
}

/** Errors: BadArguments, ValueTooLarge. */
export function assertOperations(operations: readonly unknown[]): void {
  if (!Array.isArray(operations)) throw bad(`operations are an array, not ${nameOf(operations)}`);
  for (const operation of operations) {
    if (typeof operation !== 'object' || operation === null) throw bad(`an operation is an object, not ${nameOf(operation)}`);
    const shape = Object.hasOwn(OPERATIONS, operation.kind) ? OPERATIONS[operation.kind] : undefined;
    if (!shape) throw bad(`an operation is ${Object.keys(OPERATIONS).join(', ')}, not ${nameOf(operation.kind)}`);
    assertPath(operation.path);
    if (operation.kind === 'create' || operation.kind === 'set') assertValue(operation.value);
    assertOptions(operation, shape);
  }
}

/** Errors: BadArguments. */
export function assertName(what: string, name: string): void {
  if (typeof name !== 'string') throw bad(`the name of ${what} is a string, not ${nameOf(name)}`);
}

/** Errors: BadArguments. */
export function assertConnect(options: { addresses: readonly string[]; cluster: string; creator: string }): void {
  if (options === undefined) throw bad('where the servers are must be said: addresses, cluster and creator');
  assertOptions(options, CONNECT);
  const { addresses, cluster, creator } = options;
  if (!Array.isArray(addresses) || !addresses.every((address) => typeof address === 'string'))
    throw bad(`addresses are an array of strings, not ${Array.isArray(addresses) ? 'of anything else' : nameOf(addresses)}`);
  if (addresses.length === 0) throw bad('addresses name no server');
  assertName('a cluster', cluster);
  assertName('a creator', creator);
}

const WHAT: Readonly<Record<Kind, string>> = {
  boolean: 'true or false',
  string: 'a string',
  integer: 'a whole number',
  signal: 'an AbortSignal',
  mode: 'exclusive or shared',
};

function fits(value: unknown, kind: Kind): boolean {
  if (kind === 'integer') return Number.isSafeInteger(value);
  if (kind === 'signal') return value instanceof AbortSignal;
  if (kind === 'mode') return value === 'exclusive' || value === 'shared';
  return typeof value === kind;
}

function nameOf(value: unknown): string {
  if (value === null || typeof value === 'number') return String(value);
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40));
  return Array.isArray(value) ? 'an array' : typeof value;
}

function bad(why: string): NuwaError {
  return new NuwaError('BadArguments', why);
}
