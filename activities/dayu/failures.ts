import { ApplicationFailure } from '@temporalio/activity';
import { DayuError } from '../../services/dayu/contract.ts';

/** Dayu's refusals as failures that no retry can mend; anything else (a master that is away for now) passes and is retried. */
export function explainDayu(error: unknown): unknown {
  if (!(error instanceof DayuError)) return error;
  const { code, message, details } = error;
  return ApplicationFailure.create({ nonRetryable: true, type: code, message, details: [details], cause: error });
}
