import { ApplicationFailure } from '@temporalio/activity';
import { describeProblems } from '../../services/base/problems.ts';
import type { Problem } from '../../services/dayu/contract.ts';

/** A document that the cluster as it is can't fulfil. */
export function refuseNodes(type: 'InvalidExpand' | 'InvalidShrink', problems: Problem[]): ApplicationFailure {
  return ApplicationFailure.create({ nonRetryable: true, type, message: describeProblems(problems), details: [problems] });
}
