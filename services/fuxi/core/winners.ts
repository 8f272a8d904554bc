import type { Winners } from '../contract.ts';

/** The attempt of an instance whose output counts. */
export function winningAttempt(winners: Winners, instance: number): number {
  return winners.exceptions[instance] ?? winners.first;
}

/** `base` with the attempts that `newer` tells of the listed instances. */
export function replaceWinners(base: Winners, newer: Winners, instances: readonly number[]): Winners {
  const exceptions = { ...base.exceptions };
  for (const instance of instances) {
    const attempt = winningAttempt(newer, instance);
    if (attempt === base.first) delete exceptions[instance];
    else exceptions[instance] = attempt;
  }
  return { ...base, exceptions };
}

/** Shards of one task, side by side. Their exceptions are numbered by instance, so they don't meet. */
export function joinWinners(parts: readonly Winners[]): Winners {
  return {
    instances: parts.reduce((sum, part) => sum + part.instances, 0),
    first: 1,
    exceptions: Object.assign({}, ...parts.map((part) => part.exceptions)),
  };
}
