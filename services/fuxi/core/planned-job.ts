import type { Winners } from '../contract.ts';

/** What planning found out about one task. */
export interface PlannedTask {
  instances: number;
  /** Input bytes of each instance; empty when it reads no files. */
  bytes: number[];
  /** Nodes near each instance's input, as indexes into `nodes`. */
  preferred: number[][];
  nodes: string[];
  /** Pangu path of its `SplitsFile`. */
  splits?: string;
  inputBytes: number;
  inputFiles: number;
}

export interface PlannedJob {
  tasks: Record<string, PlannedTask>;
}

/** The winners of one task and the directory that they appear in. */
export interface TaskPublication {
  task: string;
  directory: string;
  overwrite: boolean;
  winners: Winners;
}
