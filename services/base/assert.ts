/** A broken invariant is a bug, never a refusal: it must not be caught and handled. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

export function assertInvariant(condition: unknown, what: string): asserts condition {
  if (!condition) throw new InvariantError(`invariant broken: ${what}`);
}

export function assertNever(value: never, what = 'a value outside its union'): never {
  throw new InvariantError(`${what}: ${JSON.stringify(value)}`);
}
