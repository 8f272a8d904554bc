/**
 * Runs a module program in this process: records in, `emit` out. Awaits only what the program returns, so that a synchronous program costs a
 * function call per record.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { FuxiError, type RecordFormat } from '../contract.ts';
import type { Cursor } from '../core/cursor.ts';
import { Groups } from '../core/groups.ts';
import { NO_BYTES } from '../core/memory.ts';
import { createCutter } from '../core/record-cutter.ts';
import type { InputRecord, MapProgram, ProgramContext, ReduceProgram, SourceProgram } from '../sdk.ts';
import { emitTo } from './emit.ts';
import { GroupValues, view } from './group-values.ts';
import type { Piece } from './input-files.ts';
import type { AttemptOutput } from './output.ts';
import type { InputCounts } from './parts.ts';

/** A program that never waits gives the event loop a turn this often, for what is written in the background and for telling progress. */
const TURN_MS = 50;
const GROUPS_PER_LOOK = 256;

export async function runMap(
  program: MapProgram,
  pieces: AsyncIterable<Piece>,
  format: RecordFormat,
  output: AttemptOutput,
  context: ProgramContext,
  counts: InputCounts,
): Promise<void> {
  const emit = emitTo(output);
  const record = new CutRecord();
  let cutter = createCutter(format);
  await program.setup?.(context);

  const cut = async (): Promise<void> => {
    while (cutter.next()) {
      counts.recordsIn++;
      record.buffer = cutter.buffer;
      record.start = cutter.start;
      record.end = cutter.end;
      const pending = program.map(record, emit, context);
      if (pending !== undefined) await pending;
      if (output.full) await output.drain();
    }
  };
  const endRange = async (): Promise<void> => {
    const missing = cutter.finish();
    if (missing > 0) throw new FuxiError('InputCorrupt', `the input ends ${missing} bytes into a record`);
    await cut();
    cutter = createCutter(format);
  };
  for await (const piece of pieces) {
    if (piece.first) await endRange();
    counts.bytesIn += piece.end - piece.start;
    cutter.feed(piece.block, piece.start, piece.end);
    await cut();
  }
  await endRange();
  await program.finish?.(emit, context);
}

export async function runReduce(
  program: ReduceProgram,
  cursor: Cursor,
  output: AttemptOutput,
  context: ProgramContext,
  counts: InputCounts,
): Promise<void> {
  const emit = emitTo(output);
  const groups = new Groups(cursor);
  const values = new GroupValues(groups);
  let lookedAtMs = performance.now();
  await program.setup?.(context);
  for (let number = 1; groups.next(); number++) {
    const pending = program.reduce(view(groups.key, groups.keyStart, groups.keyEnd), values, emit, context);
    if (pending !== undefined) await pending;
    if (output.full) await output.drain();
    if (number % GROUPS_PER_LOOK === 0 && performance.now() - lookedAtMs > TURN_MS) {
      await nextTurn();
      lookedAtMs = performance.now();
    }
    counts.recordsIn = groups.records;
    counts.bytesIn = groups.bytes;
  }
  counts.recordsIn = groups.records;
  counts.bytesIn = groups.bytes;
  await program.finish?.(emit, context);
}

export async function runSource(program: SourceProgram, output: AttemptOutput, context: ProgramContext): Promise<void> {
  const emit = emitTo(output);
  await program.setup?.(context);
  await program.run(emit, context);
  await program.finish?.(emit, context);
}

class CutRecord implements InputRecord {
  buffer: Uint8Array = NO_BYTES;
  start = 0;
  end = 0;

  bytes(): Buffer {
    return view(this.buffer, this.start, this.end);
  }

  toString(): string {
    return this.bytes().toString('utf8');
  }
}
