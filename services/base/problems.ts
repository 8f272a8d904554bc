import type { z } from 'zod';

/** What is wrong with a document that somebody wrote. */
export interface Problem {
  /** Such as `tasks.map.resources.cpu` or `pipes[1].source`; empty for the document itself. */
  path: string;
  message: string;
}

/** One sentence for a person, all problems in it. */
export function describeProblems(problems: readonly Problem[]): string {
  const lines = problems.map(({ path, message }) => `${path || 'document'}: ${message}`);
  return lines.length === 1 ? lines[0]! : `${lines.length} problems: ${lines.join('; ')}`;
}

/** What a schema found wrong. */
export function schemaProblems(error: z.ZodError): Problem[] {
  return error.issues.flatMap(issueProblems);
}

export function issueProblems(issue: z.core.$ZodIssue): Problem[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({ path: pathOf([...issue.path, key]), message: 'is not a known field here' }));
  if (issue.code === 'invalid_key') return [{ path: pathOf(issue.path), message: issue.issues[0]?.message ?? issue.message }];
  return [{ path: pathOf(issue.path), message: issue.message }];
}

function pathOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text === '' ? String(key) : `${text}.${String(key)}`),
    '',
  );
}
