import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { FUXI_MASTER_METRICS, JOB_METRICS, TUBO_METRICS } from '../services/fuxi/metrics.ts';
import { SHENNONG_METRICS } from '../services/shennong/metrics.ts';
import { board, choice, type Settings, webLink, workflowList } from './board.ts';
import { graph, stat } from './panels.ts';
import { like, max, orZero, quantile, rate, series, sum } from './promql.ts';
import { executions, jobsRunning } from './running.ts';

const HERE = { node: like('$node') };
const MASTER = FUXI_MASTER_METRICS;
const JOBS = workflowList('jobs in the Web UI', 'fuxiJob');
const FAILED_JOBS = workflowList('failed jobs in the Web UI', 'fuxiJob', 'Failed');
const FAILED_TASKS = workflowList('failed tasks in the Web UI', 'fuxiTask', 'Failed');

/** Jobs: what ends how, what waits for what, and where it runs. */
export function fuxiDashboard(settings: Settings): Dashboard {
  return board('fuxi', 'Fuxi jobs', 'Jobs: what ends how, what waits for what, and where it runs.', settings)
    .withVariable(choice('node', 'node', SHENNONG_METRICS.nodeUp))
    .link(webLink(JOBS))
    .link(webLink(FAILED_JOBS))
    .withPanel(jobsRunning())
    .withPanel(
      stat({
        title: 'Jobs done',
        description: 'Jobs that ended well, as far back as Temporal keeps them.',
        unit: 'short',
        link: workflowList('jobs that are done, in the Web UI', 'fuxiJob', 'Completed'),
        expression: executions('fuxiJob', 'Completed'),
      }),
    )
    .withPanel(
      stat({
        title: 'Jobs failed',
        description: 'Jobs that failed, as far back as Temporal keeps them. A click opens their list in the Web UI.',
        unit: 'short',
        link: FAILED_JOBS,
        expression: executions('fuxiJob', 'Failed'),
      }),
    )
    .withPanel(
      stat({
        title: 'Containers',
        description: 'Containers granted now, on all nodes.',
        unit: 'short',
        expression: orZero(max(sum(series(MASTER.containers), 'instance'))),
      }),
    )
    .withPanel(
      stat({
        title: 'Containers waited for',
        description: 'Containers that TaskMasters want beyond those they hold. Above 0 for long: the cluster is too small.',
        unit: 'short',
        limits: { orange: 1, red: 1000 },
        expression: orZero(max(series(MASTER.containersWaiting))),
      }),
    )
    .withPanel(
      stat({
        title: 'Attempts running',
        description: 'Attempts that run now, on all nodes.',
        unit: 'short',
        expression: orZero(sum(series(TUBO_METRICS.attemptsRunning, HERE))),
      }),
    )
    .withPanel(
      graph({
        title: 'Jobs and tasks ended',
        description: 'Jobs, and tasks or shards of them, that ended in a second, by outcome.',
        unit: 'ops',
        link: JOBS,
        queries: [
          { expression: sum(rate(JOB_METRICS.jobs), 'outcome'), legend: 'jobs {{outcome}}' },
          { expression: sum(rate(JOB_METRICS.tasks), 'outcome'), legend: 'tasks {{outcome}}' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Instances done',
        description: 'Instances that are done in a second. Flat at zero while jobs run: they wait for containers, or fail.',
        unit: 'ops',
        link: JOBS,
        queries: [{ expression: sum(rate(JOB_METRICS.instances)), legend: 'done' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Attempts ended',
        description: 'Attempts that ended in a second, by outcome. Killed are backups that lost and work of jobs that were cancelled.',
        unit: 'ops',
        link: FAILED_TASKS,
        queries: [{ expression: sum(rate(TUBO_METRICS.attempts, HERE), 'outcome'), legend: '{{outcome}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Failed attempts by node',
        description: 'Attempts that failed in a second, by node. One node alone: look at it; all of them: look at the program.',
        unit: 'ops',
        link: FAILED_TASKS,
        queries: [{ expression: sum(rate(TUBO_METRICS.attempts, { ...HERE, outcome: 'failed' }), 'node'), legend: '{{node}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Retries and backups',
        description: 'Attempts begun in a second because an earlier one failed or was lost, or because it was far slower than others.',
        unit: 'ops',
        queries: [
          { expression: sum(rate(JOB_METRICS.retries)), legend: 'retries' },
          { expression: sum(rate(JOB_METRICS.backups)), legend: 'backups' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Duration of attempts',
        description: 'How long attempts took that were done. A tail far from the median: stragglers, which backups are for.',
        unit: 's',
        queries: [
          { expression: quantile(0.5, TUBO_METRICS.attemptSeconds, [], HERE), legend: 'median' },
          { expression: quantile(0.95, TUBO_METRICS.attemptSeconds, [], HERE), legend: '95th percentile' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Attempts running by node',
        description: 'Attempts that run now, by node. A node far below the others has few containers, or was blacklisted.',
        unit: 'short',
        queries: [{ expression: sum(series(TUBO_METRICS.attemptsRunning, HERE), 'node'), legend: '{{node}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Bytes of attempts',
        description: 'Bytes that attempts read and wrote, told when they are done.',
        unit: 'Bps',
        queries: [{ expression: sum(rate(TUBO_METRICS.bytes, HERE), 'direction'), legend: '{{direction}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Containers by node',
        description: 'Containers granted on each node.',
        unit: 'short',
        queries: [{ expression: max(series(MASTER.containers, HERE), 'node'), legend: '{{node}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Waiting',
        description:
          'TaskMasters that want more than they hold, and the containers they want. The query `why` of a job in the Web UI tells its reasons.',
        unit: 'short',
        queries: [
          { expression: max(series(MASTER.requestsWaiting)), legend: 'TaskMasters' },
          { expression: max(series(MASTER.containersWaiting)), legend: 'containers' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Processors granted',
        description: 'Processors granted of those that each node offers for containers, and all that are offered.',
        unit: 'short',
        queries: [
          { expression: max(series(MASTER.cpu, { ...HERE, kind: 'used' }), 'node'), legend: '{{node}}' },
          { expression: sum(max(series(MASTER.cpu, { ...HERE, kind: 'total' }), 'node')), legend: 'offered by all' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Memory granted',
        description: 'Memory granted of that which each node offers for containers, and all that is offered.',
        unit: 'bytes',
        queries: [
          { expression: max(series(MASTER.memoryBytes, { ...HERE, kind: 'used' }), 'node'), legend: '{{node}}' },
          { expression: sum(max(series(MASTER.memoryBytes, { ...HERE, kind: 'total' }), 'node')), legend: 'offered by all' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Grants and losses',
        description: 'Containers granted in a second, and containers lost because their node went away.',
        unit: 'ops',
        queries: [
          { expression: sum(rate(MASTER.grants)), legend: 'granted' },
          { expression: sum(rate(MASTER.containersLost)), legend: 'lost' },
        ],
      }),
    )
    .build();
}
