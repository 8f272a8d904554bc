import type { PanguClient } from '../../pangu/contract.ts';
import type { RecordFormat } from '../contract.ts';
import type { Combine } from '../core/combine.ts';
import type { Cursor } from '../core/cursor.ts';
import type { FileInput, Piece } from './input-files.ts';
import type { AttemptOutput } from './output.ts';
import type { ProgramPlaces } from './program-files.ts';

/** What the runner keeps from one attempt to the next. */
export interface RunnerServices {
  node: string;
  workDirectory: string;
  scratchDirectory: string;
  /** `TMPDIR` of programs. */
  tmpDirectory: string;
  places: ProgramPlaces;
  /** Connects when it is first asked for: an attempt without input and output needs no Pangu. */
  pangu(): Promise<PanguClient>;
  fileInput(format: RecordFormat): Promise<FileInput>;
}

/** How far an attempt is; grows while it runs. */
export interface InputCounts {
  bytesIn: number;
  recordsIn: number;
}

/** A program that is ready to go: whatever is wrong with it shows before anything is read or made. */
export interface PreparedProgram {
  combine?: 'sum' | Combine;
  run(input: OpenInput, output: AttemptOutput, counts: InputCounts): Promise<void>;
}

export type OpenInput =
  | { kind: 'files'; format: RecordFormat; pieces: AsyncIterable<Piece> }
  | { kind: 'shuffle'; cursor: Cursor }
  | { kind: 'none' };
