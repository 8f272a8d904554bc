/**
 * What a program that runs as a `module` is written against. Types only: a program says `import type { MapProgram } from 'feitian/sdk'`,
 * and nothing of Feitian is loaded into it.
 *
 * Everything is bytes. A `Buffer` or a range that a program is given stays as it is for as long as the program keeps it; the objects that
 * carry them (`InputRecord`, `Values`) are used again for the next record or key.
 */

/** Text is written as UTF-8. */
export type Bytes = string | Uint8Array;
/** A number is written in decimal. */
export type Value = Bytes | number;

/**
 * Gives one record to the output. Where the next task reads it, records with the same key come together there; where it is the job's output, it is
 * written as the line `key\tvalue\n`, or `key\n` without a value.
 *
 * `emit` never waits. A program that emits very much for one single record should `await context.drain()` now and then.
 */
export interface Emit {
  (key: Bytes, value?: Value): void;
  /** The same for a key that lies in `buffer`, from `start` up to but not including `end`. Nothing is allocated. */
  range(buffer: Uint8Array, start: number, end: number, value?: Value): void;
}

/** One line without its `\n`, or one fixed-length record. */
export interface InputRecord {
  /** The record is `buffer` from `start` up to but not including `end`. */
  readonly buffer: Uint8Array;
  readonly start: number;
  readonly end: number;
  bytes(): Buffer;
  toString(): string;
}

/** The values of one key, read as they are asked for: iterate once. */
export interface Values extends Iterable<Buffer> {
  /** Adds up the values, or the rest of them. They must be whole numbers in decimal. */
  sum(): number;
}

export interface ProgramContext {
  readonly job: string;
  readonly task: string;
  readonly instance: number;
  readonly attempt: number;
  readonly node: string;
  /** Waits until what was emitted so far has gone on its way. */
  drain(): Promise<void>;
}

interface Hooks {
  /** Before the first record of an attempt. */
  setup?(context: ProgramContext): void | Promise<void>;
  /** After the last record. It may still emit. */
  finish?(emit: Emit, context: ProgramContext): void | Promise<void>;
}

/** For a task that reads files. */
export interface MapProgram extends Hooks {
  map(record: InputRecord, emit: Emit, context: ProgramContext): void | Promise<void>;
  /**
   * Puts one value in place of several of the same key before they travel. `'sum'`: values are whole numbers and their sum is meant.
   * A function is given some of a key's values, perhaps results of its own among them.
   */
  combine?: 'sum' | ((key: Buffer, values: Values) => Value);
}

/** For a task that reads what other tasks emitted. Keys come in the order of their bytes. */
export interface ReduceProgram extends Hooks {
  reduce(key: Buffer, values: Values, emit: Emit, context: ProgramContext): void | Promise<void>;
}

/** For a task without input. */
export interface SourceProgram extends Hooks {
  run(emit: Emit, context: ProgramContext): void | Promise<void>;
  combine?: MapProgram['combine'];
}

export type ModuleProgram = MapProgram | ReduceProgram | SourceProgram;
