import type { Container, FuxiCode } from '../contract.ts';
import type { Batch } from './batch.ts';

/** What a TaskMaster wants done now. */
export interface Decisions {
  start: Batch[];
  /** Batches whose container's processes should be killed. */
  cancel: number[];
  /** Tell FuxiMaster this. */
  exchange?: { want: number; holding: Container[]; avoid: string[]; prefer: Record<string, number> };
  /** Ask again at this time, if nothing happens before. */
  wakeAtMs?: number;
  /** Earlier outputs that must be made again, told once. */
  lost: { task: string; instances: number[] }[];
  outcome?: { kind: 'done' } | { kind: 'failed'; code: FuxiCode; message: string };
}
