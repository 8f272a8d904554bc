/**
 * What of Tubo's environment goes on to containers. A list of what may pass, not of what may not: Tubo's own environment holds
 * keys and addresses that no program should see.
 */

import type { AttemptOrder } from './messages.ts';
import type { RunnerServices } from './parts.ts';

const PASSED = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'TZ'];

/** Containers run in the C locale, so that sorting, matching and splitting mean the same on every machine: bytes. */
export function passedEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  const passed: Record<string, string> = { LANG: 'C', LC_ALL: 'C' };
  for (const name of PASSED) {
    const value = env[name];
    if (value !== undefined) passed[name] = value;
  }
  return passed;
}

/** What a command sees. */
export function programEnvironment(order: AttemptOrder, services: RunnerServices): Record<string, string> {
  return {
    ...passedEnvironment(process.env),
    TMPDIR: services.tmpDirectory,
    FEITIAN_JOB: order.job.workflowId,
    FEITIAN_TASK: order.task,
    FEITIAN_INSTANCE: String(order.instance),
    FEITIAN_ATTEMPT: String(order.attempt),
    FEITIAN_NODE: services.node,
    ...(order.trace === undefined ? {} : { TRACEPARENT: order.trace }),
    FEITIAN_PROGRAMS_DIR: services.places.package ?? services.places.programs[0] ?? '',
  };
}
