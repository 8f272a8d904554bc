/**
 * The rollout document: from any JSON value to a `Rollout` in which every default stands, or else to the list of all that is wrong with it, each
 * problem with its path. Runs in the workflow and, before anything is sent, in `feitian dayu deploy`.
 */
import { z } from 'zod';
import { schemaProblems } from '../../base/problems.ts';
import { type Problem, type Rollout, rolloutSchema } from '../contract.ts';

// Workflows may not compile code at run time; zod's interpreter gives the same answers.
z.config({ jitless: true });

export type ParsedRollout = { ok: true; rollout: Rollout } | { ok: false; problems: Problem[] };

export function parseRollout(document: unknown): ParsedRollout {
  const parsed = rolloutSchema.safeParse(document);
  if (!parsed.success) return { ok: false, problems: schemaProblems(parsed.error) };
  const problems = contradictions(parsed.data);
  return problems.length > 0 ? { ok: false, problems } : { ok: true, rollout: parsed.data };
}

/** What a schema cannot say. */
function contradictions({ approval, canary, targets }: Rollout): Problem[] {
  const problems: Problem[] = [];
  if (approval && canary === 0) problems.push({ path: 'approval', message: 'is given after the canary, and "canary" is 0' });
  if (targets && !targets.nodes && !targets.racks) problems.push({ path: 'targets', message: 'must name "nodes", "racks" or both' });
  for (const [key, names] of Object.entries(targets ?? {})) {
    names?.forEach((name, i) => {
      if (names.indexOf(name) < i) problems.push({ path: `targets.${key}[${i}]`, message: `names ${name} a second time` });
    });
  }
  return problems;
}

/** `"50%"` or a number, of `total`; at least 1 and at most all. A share of nodes that may be away is rounded down, one of nodes at work up. */
export function resolveCount(count: number | string, total: number, round: 'up' | 'down'): number {
  const wanted = typeof count === 'number' ? count : (Number(count.slice(0, -1)) * total) / 100;
  return Math.min(Math.max(1, round === 'up' ? Math.ceil(wanted) : Math.floor(wanted)), Math.max(1, total));
}
