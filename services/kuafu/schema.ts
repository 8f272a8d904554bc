import type { z } from 'zod';

export type Parsed = { value: unknown; problem?: undefined } | { value?: undefined; problem: Problem };

export interface Problem {
  /** For people: each field with what is wrong with it. */
  text: string;
  /** For programs. */
  issues: { path: string; message: string }[];
}

export function parseWith(schema: z.ZodType, raw: unknown): Parsed {
  const result = schema.safeParse(raw);
  if (result.success) return { value: result.data };
  const issues = result.error.issues.map(({ path, message }) => ({ path: path.map(String).join('.'), message }));
  return { problem: { issues, text: issues.map(({ path, message }) => (path ? `${path}: ${message}` : message)).join('; ') } };
}
