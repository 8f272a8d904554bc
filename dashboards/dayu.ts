import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { DAYU_AGENT_METRICS, DAYU_MASTER_METRICS, ROLLOUT_METRICS } from '../services/dayu/metrics.ts';
import { board, choice, type Settings, WORKFLOW_OF_SERIES, webLink, workflowList, workflowOfRow } from './board.ts';
import { graph, stat, table } from './panels.ts';
import { count, like, type Matchers, max, orZero, quantile, series, sum } from './promql.ts';
import { rolloutsRunning } from './running.ts';

const HERE = { application: like('$application') };
const ROLLOUTS = workflowList('rollouts in the Web UI', 'dayuRollout');

/** Each instance once: an agent that was started anew is another target, and for some seconds both are there. */
const instancesOnce = (matchers: Matchers<typeof DAYU_AGENT_METRICS.instances>): string =>
  max(series(DAYU_AGENT_METRICS.instances, matchers), 'application', 'service', 'version', 'state', 'node');

/** Services: which version runs where and how well, and the rollouts that change it. */
export function dayuDashboard(settings: Settings): Dashboard {
  const age = max(series(DAYU_MASTER_METRICS.rolloutSeconds, HERE), 'application', 'version', 'workflow_id');
  const instances = (state: string) => orZero(sum(instancesOnce({ ...HERE, state })));
  return board('dayu', 'Dayu', 'Services: which version runs where, and the rollouts that change it.', settings)
    .withVariable(choice('application', 'application', DAYU_MASTER_METRICS.placements))
    .link(webLink(ROLLOUTS))
    .withPanel(rolloutsRunning())
    .withPanel(
      stat({
        title: 'Oldest rollout',
        description: 'How long the oldest rollout has been under way. Long: it is paused, waits for approval, or is stuck.',
        unit: 's',
        limits: { orange: 900, red: 1800 },
        expression: orZero(max(age)),
      }),
    )
    .withPanel(
      stat({
        title: 'Healthy instances',
        description: 'Service instances that are healthy, on all nodes.',
        unit: 'short',
        expression: instances('healthy'),
      }),
    )
    .withPanel(
      stat({
        title: 'Unhealthy instances',
        description: 'Service instances that run and fail their health check.',
        unit: 'short',
        limits: { red: 1 },
        expression: instances('unhealthy'),
      }),
    )
    .withPanel(
      stat({
        title: 'Failed instances',
        description: 'Service instances that could not be started, or ended too often.',
        unit: 'short',
        limits: { red: 1 },
        expression: instances('failed'),
      }),
    )
    .withPanel(
      stat({
        title: 'Nodes with services',
        description: 'Nodes that are meant to run at least one application.',
        unit: 'short',
        expression: orZero(count(max(series(DAYU_MASTER_METRICS.placements, HERE), 'node'))),
      }),
    )
    .withPanel(
      table({
        title: 'Rollouts under way',
        description: 'Each rollout and how long it has been under way. A click opens the workflow, where it can be paused or rolled back.',
        unit: 's',
        link: workflowOfRow('Workflow'),
        expression: age,
        columns: { application: 'Application', version: 'Version', workflow_id: 'Workflow' },
        value: 'Under way',
      }),
    )
    .withPanel(
      graph({
        title: 'Age of rollouts',
        description: 'How long each rollout has been under way; a line that ends is a rollout that ended. A click opens the workflow.',
        unit: 's',
        limits: { red: 1800 },
        link: WORKFLOW_OF_SERIES,
        queries: [{ expression: age, legend: '{{application}} {{version}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Rollouts ended',
        description:
          'Rollouts that ended since the workers were started, by outcome: each step is one. Rolled back: a gate failed, and the reason is in the workflow.',
        unit: 'short',
        link: ROLLOUTS,
        queries: [
          { expression: sum(series(ROLLOUT_METRICS.rollouts, HERE), 'application', 'outcome'), legend: '{{application}} {{outcome}}' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Instances by version',
        description: 'Instances that run each version. During a rollout one line falls as the other rises.',
        unit: 'short',
        queries: [
          {
            expression: sum(instancesOnce({ ...HERE, state: like('healthy|unhealthy|starting') }), 'application', 'version'),
            legend: '{{application}} {{version}}',
          },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Instances by state',
        description: 'Instances by state. Only `healthy` takes requests.',
        unit: 'short',
        queries: [{ expression: sum(instancesOnce(HERE), 'application', 'state'), legend: '{{application}} {{state}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Restarts',
        description:
          'Instances that ended by themselves and were started again, since the agents were started. A stair that goes on is a crash loop.',
        unit: 'short',
        queries: [
          { expression: sum(series(DAYU_AGENT_METRICS.restarts, HERE), 'application', 'node'), legend: '{{application}} {{node}}' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Time of a deployment, 95th percentile',
        description: 'From the order to a healthy instance, or to the failure, on one node.',
        unit: 's',
        queries: [
          {
            expression: quantile(0.95, DAYU_AGENT_METRICS.deploySeconds, ['application', 'outcome'], HERE),
            legend: '{{application}} {{outcome}}',
          },
        ],
      }),
    )
    .withPanel(
      table({
        title: 'Placements',
        description: 'Which version each node is meant to run. Two versions of one application: a rollout is under way, or was stopped.',
        unit: 'short',
        expression: max(series(DAYU_MASTER_METRICS.placements, HERE), 'application', 'version', 'node'),
        columns: { application: 'Application', version: 'Version', node: 'Node' },
        value: 'Placed',
      }),
    )
    .build();
}
