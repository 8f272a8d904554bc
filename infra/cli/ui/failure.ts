/**
 * Why a job failed. Temporal wraps a failure once for each border it crosses (workflow, child workflow, activity); what a person can act on
 * is the first ApplicationFailure inside, which names its type and tells what happened; those below it tell what that came from.
 */
export interface JobFailure {
  /** Such as `ProgramFailed`; the name of the error where there is no type. */
  type: string;
  message: string;
  /** What it came from, outermost first, without repetitions. */
  because: string[];
  /** Problems of a document that was refused. */
  problems?: { path: string; message: string }[];
}

interface Failure extends Error {
  type?: string | null;
  details?: unknown[] | null;
}

/** Failures that only say that something inside them failed. */
const WRAPPERS = ['WorkflowFailedError', 'ChildWorkflowFailure', 'ActivityFailure'];

export function explainFailure(error: unknown): JobFailure {
  const chain: Failure[] = [];
  for (let each = error; each instanceof Error && chain.length < 20; each = each.cause) chain.push(each);
  const told = chain.filter((each) => !WRAPPERS.includes(each.name));
  const [first, ...rest] = told.length > 0 ? told : chain;
  if (!first) return { type: 'Error', message: String(error), because: [] };
  const because = [...new Set(rest.map((each) => each.message))].filter((message) => !first.message.includes(message));
  const failure: JobFailure = { type: first.type ?? first.name, message: first.message, because };
  if ((failure.type === 'InvalidJob' || failure.type === 'InvalidRollout') && Array.isArray(first.details?.[0]))
    failure.problems = first.details[0] as JobFailure['problems'];
  return failure;
}

export function describeFailure({ type, message, because, problems }: JobFailure): string {
  const head = message.startsWith(`${type}: `) ? message : `${type}: ${message}`;
  if (problems && problems.length > 1)
    return [`${type}:`, ...problems.map((problem) => `  ${problem.path || 'document'}: ${problem.message}`)].join('\n');
  return [head, ...because.map((reason) => `  because: ${reason}`)].join('\n');
}
