import { explainDayu } from './failures.ts';
import type { DayuServices } from './services.ts';

export interface PlaceRequest {
  workflowId: string;
  runId: string;
  application: string;
  node: string;
  /** Absent: nothing of the application from now on. */
  version?: string;
  configuration: number;
  /** Its instances are healthy; false: they are about to be started. @default true */
  settled?: boolean;
  why: string;
}

/** Writes down what a node is meant to run, and why. Run again it changes nothing. Failures: RolloutInProgress, when the application is another's now. */
export function createPlace({ dayuMaster }: DayuServices) {
  return async function place(request: PlaceRequest): Promise<void> {
    try {
      await dayuMaster.place(request, { timeoutMs: 8_000 });
    } catch (error) {
      throw explainDayu(error);
    }
  };
}
