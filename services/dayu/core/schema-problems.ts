import type { z } from 'zod';
import type { Problem } from '../contract.ts';

/** What a schema found wrong with a document, as problems with paths such as `roles.web.command[0]`. */
export function schemaProblems(error: z.ZodError): Problem[] {
  return error.issues.flatMap(problemsOf);
}

function problemsOf(issue: z.core.$ZodIssue): Problem[] {
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

/** One sentence for a person, all problems in it. */
export function describeProblems(problems: readonly Problem[]): string {
  const lines = problems.map(({ path, message }) => `${path || 'document'}: ${message}`);
  return lines.length === 1 ? lines[0]! : `${lines.length} problems: ${lines.join('; ')}`;
}
