import type { Container } from '../contract.ts';

/** Attempts that one activity runs one after the other in one container. */
export interface Attempt {
  instance: number;
  attempt: number;
  backup: boolean;
}

export interface Batch {
  id: number;
  container: Container;
  attempts: Attempt[];
}

/** A batch as its TaskMaster follows it. */
export interface RunningBatch extends Batch {
  /** Instances without a result yet, in running order. */
  open: Attempt[];
  /** When the first of `open` began, as far as we know. */
  openSinceMs: number;
  /** Nothing but the first of `open` is in it any more. */
  alone: boolean;
}
