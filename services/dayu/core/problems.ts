import type { z } from 'zod';
import type { Problem } from '../contract.ts';

/** What a schema found wrong, each with its path in the document: `gate.bakeMs`, `targets.nodes[1]`. */
export function problemsOf(issues: readonly z.core.$ZodIssue[]): Problem[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => ({ path: pathOf([...issue.path, key]), message: 'is not a known field here' }));
    if (issue.code === 'invalid_key') return [{ path: pathOf(issue.path), message: issue.issues[0]?.message ?? issue.message }];
    return [{ path: pathOf(issue.path), message: issue.message }];
  });
}

/** One sentence for a person, all problems in it. */
export function describeProblems(problems: readonly Problem[]): string {
  const lines = problems.map(({ path, message }) => `${path || 'document'}: ${message}`);
  return lines.length === 1 ? lines[0]! : `${lines.length} problems: ${lines.join('; ')}`;
}

function pathOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text === '' ? String(key) : `${text}.${String(key)}`),
    '',
  );
}
