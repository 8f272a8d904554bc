import type { MetricSpecs } from '../base/metrics.ts';

/** The agent; each is one node's, which is a label of the target. */
export const DAYU_AGENT_METRICS = {
  instances: {
    kind: 'gauge',
    name: 'feitian_dayu_instances',
    help: 'Service instances here by state: starting, healthy, unhealthy, stopping or failed',
    labels: ['application', 'service', 'version', 'state'],
  },
  restarts: {
    kind: 'counter',
    name: 'feitian_dayu_restarts_total',
    help: 'Instances started again because they ended by themselves',
    labels: ['application', 'service'],
  },
  deploySeconds: {
    kind: 'histogram',
    name: 'feitian_dayu_deploy_duration_seconds',
    help: 'From the order to a healthy instance, or to the failure; outcome is done or failed',
    labels: ['application', 'outcome'],
    buckets: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
  },
} as const satisfies MetricSpecs;

/** The master. What it tells of the whole cluster each instance tells: take the maximum over instances. */
export const DAYU_MASTER_METRICS = {
  placements: {
    kind: 'gauge',
    name: 'feitian_dayu_placements',
    help: 'Nodes that are meant to run a version of an application',
    labels: ['application', 'version', 'node'],
  },
  rolloutSeconds: {
    kind: 'gauge',
    name: 'feitian_dayu_rollout_age_seconds',
    help: 'How long a rollout has been under way; there only while it is',
    labels: ['application', 'version', 'workflow_id'],
  },
} as const satisfies MetricSpecs;

/** Counted by the workflows themselves, through Temporal's meter. */
export const ROLLOUT_METRICS = {
  rollouts: {
    kind: 'counter',
    name: 'feitian_dayu_rollouts_total',
    help: 'Rollouts that ended; outcome is done, unchanged, rolledBack, aborted or failed',
    labels: ['application', 'outcome'],
  },
} as const satisfies MetricSpecs;
