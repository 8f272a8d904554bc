/**
 * Errors that travel. Every subsystem has one class over `FeitianError` with a closed list of codes.
 * A *refusal* (bad input, not found, no space) is one of these; a *bug* is an assert (see assert.ts) and stops the process.
 * The message starts with the code, so that a log line, a Temporal failure and a terminal all show it.
 */
export class FeitianError<Code extends string = string> extends Error {
  readonly code: Code;
  /** Facts a program may act on (JSON values only); what a person reads is in the message. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: Code, message: string, options: { cause?: unknown; details?: Record<string, unknown> } = {}) {
    super(`${code}: ${message}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.details = options.details ?? {};
  }

  /** The message without its code. */
  get reason(): string {
    return this.message.startsWith(`${this.code}: `) ? this.message.slice(this.code.length + 2) : this.message;
  }
}

/** How a class of errors is named and rebuilt on the far side of a call. */
export interface ErrorClass<E extends FeitianError = FeitianError> {
  readonly name: string;
  readonly codes: readonly string[];
  new (code: never, message: string, options?: { cause?: unknown; details?: Record<string, unknown> }): E;
}

export function hasCode(error: unknown, ...codes: string[]): error is FeitianError {
  return error instanceof FeitianError && codes.includes(error.code);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
