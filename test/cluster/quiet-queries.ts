/** Panels whose queries may give nothing on the cluster of monitoring.test.ts, each with the reason: what they show did not happen there. */
export interface Quiet {
  dashboard: string;
  panel: string;
  reason: string;
}

const NO_ROLLOUT = 'no application was deployed';
const NO_FAILURE = 'nothing of this kind failed';
const quiet = (dashboard: string, reason: string, ...panels: string[]): Quiet[] => panels.map((panel) => ({ dashboard, panel, reason }));

export const QUIET_QUERIES: readonly Quiet[] = [
  ...quiet('Overview', 'no alert fires all the time', 'Alerts that fire', 'Events'),
  ...quiet('Overview', NO_FAILURE, 'Calls'),
  ...quiet('Pangu', NO_FAILURE, 'Refused and failed operations', 'Failed operations of chunk servers'),
  ...quiet('Pangu', 'nothing drained', 'Draining'),
  ...quiet('Fuxi jobs', 'no straggler, no node lost', 'Retries and backups'),
  ...quiet('Nuwa and Kuafu', NO_FAILURE, 'Calls that failed'),
  ...quiet(
    'Dayu',
    NO_ROLLOUT,
    'Rollouts under way',
    'Age of rollouts',
    'Rollouts ended',
    'Instances by version',
    'Instances by state',
    'Restarts',
    'Time of a deployment, 95th percentile',
    'Placements',
  ),
  ...quiet('Temporal', NO_FAILURE, 'Failures', 'Errors'),
];

/** Metrics of alerts that have no series on that cluster. */
export const QUIET_RULE_METRICS: Readonly<Record<string, string>> = {
  feitian_dayu_rollout_age_seconds: NO_ROLLOUT,
};
