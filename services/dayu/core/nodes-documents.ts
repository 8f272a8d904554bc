/** The documents of `dayuExpand` and `dayuShrink`: with their defaults, or the list of all that is wrong. */
import { z } from 'zod';
import { schemaProblems } from '../../base/problems.ts';
import type { Problem } from '../contract.ts';
import { type Expand, expandSchema, type Shrink, shrinkSchema } from '../nodes-contract.ts';

// Workflows may not compile code at run time; zod's interpreter gives the same answers.
z.config({ jitless: true });

export type Parsed<T> = { ok: true; document: T } | { ok: false; problems: Problem[] };

export function parseExpand(document: unknown): Parsed<Expand> {
  const parsed = expandSchema.safeParse(document);
  if (!parsed.success) return { ok: false, problems: schemaProblems(parsed.error) };
  return orProblems(
    parsed.data,
    twice(
      parsed.data.nodes.map(({ id }) => id),
      (i) => `nodes[${i}].id`,
    ),
  );
}

export function parseShrink(document: unknown): Parsed<Shrink> {
  const parsed = shrinkSchema.safeParse(document);
  if (!parsed.success) return { ok: false, problems: schemaProblems(parsed.error) };
  return orProblems(
    parsed.data,
    twice(parsed.data.nodes, (i) => `nodes[${i}]`),
  );
}

function orProblems<T>(document: T, problems: Problem[]): Parsed<T> {
  return problems.length > 0 ? { ok: false, problems } : { ok: true, document };
}

function twice(ids: readonly string[], pathOf: (index: number) => string): Problem[] {
  return ids.flatMap((id, i) => (ids.indexOf(id) < i ? [{ path: pathOf(i), message: `${id} stands here twice` }] : []));
}
