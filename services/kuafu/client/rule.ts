import type { PickRule, ServiceContract } from '../contract.ts';
import type { Rule } from '../core/pick.ts';

/** The rule by which one request's instance is chosen. */
export function ruleOf<S extends ServiceContract>(pick: PickRule<S>): (request: unknown) => Rule {
  if (typeof pick === 'object') return (request) => ({ kind: 'rendezvous', key: pick.rendezvous(request as never) });
  const rule: Rule = { kind: pick };
  return () => rule;
}
