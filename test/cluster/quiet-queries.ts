/** Queries that may give nothing on the cluster of monitoring.test.ts, each with the reason: what they show did not happen there. */
export interface Quiet {
  dashboard: string;
  panel: string;
  /** Of the queries of that panel only those with this in them. @default all */
  with?: string;
  reason: string;
}

const NO_ROLLOUT = 'no application was deployed';
const NO_FAILURE = 'nothing of this kind failed';

const OF_ROLLOUTS = [
  'Oldest rollout',
  'Healthy instances',
  'Unhealthy instances',
  'Failed instances',
  'Nodes with services',
  'Rollouts under way',
  'Age of rollouts',
  'Rollouts ended',
  'Instances by version',
  'Instances by state',
  'Restarts',
  'Time of a deployment, 95th percentile',
  'Placements',
];

export const QUIET_QUERIES: readonly Quiet[] = [
  { dashboard: 'Overview', panel: 'Events', reason: 'an alert becomes a record only where there is an Alertmanager' },
  { dashboard: 'Overview', panel: 'Versions placed', reason: NO_ROLLOUT },
  { dashboard: 'Overview', panel: 'Calls', with: 'code!="OK"', reason: NO_FAILURE },
  { dashboard: 'Pangu', panel: 'Refused and failed operations', reason: NO_FAILURE },
  { dashboard: 'Pangu', panel: 'Failed operations of chunk servers', reason: NO_FAILURE },
  { dashboard: 'Nuwa and Kuafu', panel: 'Calls that failed', reason: NO_FAILURE },
  ...OF_ROLLOUTS.map((panel) => ({ dashboard: 'Dayu', panel, reason: NO_ROLLOUT })),
  { dashboard: 'Temporal', panel: 'Failures', with: 'workflow_task', reason: 'no step of a workflow failed' },
  { dashboard: 'Temporal', panel: 'Errors', reason: NO_FAILURE },
];

/** Metrics of alerts that have no series on that cluster. */
export const QUIET_RULE_METRICS: Readonly<Record<string, string>> = {
  feitian_dayu_rollout_age_seconds: NO_ROLLOUT,
};
