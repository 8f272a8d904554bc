import type { z } from 'zod';
import type { Database } from '../../base/database.ts';
import type { Logger } from '../../base/log.ts';
import type { PanguClient } from '../../pangu/contract.ts';
import type { dayuMasterService, PlanFacts } from '../contract.ts';

/** What the master needs of the workflow engine; infra fills it in with a Temporal client. */
export interface RolloutPort {
  /** Whether this very run is there and has not ended. */
  isRunning(workflowId: string, runId: string): Promise<boolean>;
}

/** What a master's operations work with. */
export interface MasterContext {
  readonly db: Database;
  readonly workflows: RolloutPort;
  readonly pangu: Pick<PanguClient, 'stat'>;
  /** The nodes whose Tubo is registered now. */
  nodes(): Promise<PlanFacts['nodes']>;
  readonly log: Logger;
}

type Methods = (typeof dayuMasterService)['methods'];
export type Request<Name extends keyof Methods> = z.output<Methods[Name]['request']>;
export type Reply<Name extends keyof Methods> = z.input<Methods[Name]['response']>;
