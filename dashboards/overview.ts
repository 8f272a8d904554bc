import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { DAYU_MASTER_METRICS } from '../services/dayu/metrics.ts';
import { FUXI_MASTER_METRICS, JOB_METRICS, TUBO_METRICS } from '../services/fuxi/metrics.ts';
import { KUAFU_METRICS } from '../services/kuafu/metrics.ts';
import { NUWA_METRICS } from '../services/nuwa/metrics.ts';
import { PANGU_CHUNK_METRICS, PANGU_MASTER_METRICS } from '../services/pangu/metrics.ts';
import { NODE_METRICS, SHENNONG_METRICS } from '../services/shennong/metrics.ts';
import { board, type Settings, webLink, workflowList } from './board.ts';
import { PROMETHEUS_METRICS } from './foreign.ts';
import { graph, stat, table } from './panels.ts';
import { count, max, not, orZero, rate, series, sum } from './promql.ts';
import { jobsRunning, rolloutsRunning } from './running.ts';

/** Whether all is well, on one screen, and where to look when it is not. */
export function overviewDashboard(settings: Settings): Dashboard {
  return board('overview', 'Overview', 'Whether all is well, and where to look when it is not.', settings)
    .link(webLink(workflowList('Jobs', 'fuxiJob')))
    .link(webLink(workflowList('Failed jobs', 'fuxiJob', 'Failed')))
    .link(webLink(workflowList('Rollouts', 'dayuRollout')))
    .withPanel(
      stat({
        title: 'Alerts',
        description: 'Alerts that fire now. Each is in the list below; what to do is in dashboards/runbooks, a page for each name.',
        unit: 'short',
        limits: { red: 1 },
        expression: orZero(count(series(PROMETHEUS_METRICS.alerts, { alertstate: 'firing' }))),
      }),
    )
    .withPanel(
      stat({
        title: 'Nodes down',
        description: 'Nodes of the cluster whose agent is not registered. Their work goes on elsewhere, with fewer copies of the data.',
        unit: 'short',
        limits: { red: 1 },
        expression: sum(`1 - ${max(series(SHENNONG_METRICS.nodeUp), 'node')}`),
      }),
    )
    .withPanel(
      stat({
        title: 'Nuwa',
        description: 'Whether a server of the coordination service takes changes. Without one nobody can be found anew.',
        unit: 'short',
        limits: { orange: 1, red: 0.5 },
        words: { 0: 'no leader', 1: 'leader' },
        expression: orZero(sum(series(NUWA_METRICS.leader))),
      }),
    )
    .withPanel(
      stat({
        title: 'Chunks without a replica',
        description: 'Chunks of files that cannot be read now. They come back with the node that holds them.',
        unit: 'short',
        limits: { red: 1 },
        expression: max(series(PANGU_MASTER_METRICS.unavailable)),
      }),
    )
    .withPanel(jobsRunning())
    .withPanel(rolloutsRunning())
    .withPanel(
      table({
        title: 'Alerts that fire',
        description: 'What is wrong now. Empty is good.',
        unit: 'short',
        expression: series(PROMETHEUS_METRICS.alerts, { alertstate: 'firing' }),
        columns: { alertname: 'Alert', severity: 'Severity', node: 'Node', role: 'Role', instance: 'Instance' },
        value: 'Firing',
      }).height(5),
    )
    .withPanel(
      graph({
        title: 'Instances done',
        description: 'Instances of jobs that are done, in a second. Flat at zero while jobs run: they wait for containers, or fail.',
        unit: 'ops',
        link: workflowList('jobs in the Web UI', 'fuxiJob'),
        queries: [
          { expression: sum(rate(JOB_METRICS.instances)), legend: 'done' },
          { expression: sum(rate(TUBO_METRICS.attempts, { outcome: not('done') })), legend: 'attempts failed or killed' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Containers',
        description: 'Containers granted and containers waited for. Waiting for long: the cluster is too small for what is asked of it.',
        unit: 'short',
        queries: [
          { expression: max(sum(series(FUXI_MASTER_METRICS.containers), 'instance')), legend: 'granted' },
          { expression: max(series(FUXI_MASTER_METRICS.containersWaiting)), legend: 'waited for' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Pangu, bytes',
        description: 'Bytes that chunk servers read and wrote in a second; each replica counts.',
        unit: 'Bps',
        queries: [
          { expression: sum(rate(PANGU_CHUNK_METRICS.readBytes)), legend: 'read' },
          { expression: sum(rate(PANGU_CHUNK_METRICS.writtenBytes)), legend: 'written' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Processors',
        description: 'The share of its processors that each node uses. Near 100 % for long: work waits for processors.',
        unit: 'percentunit',
        limits: { red: 0.95 },
        queries: [
          {
            expression: `1 - ${sum(rate(NODE_METRICS.cpuSeconds, { mode: 'idle' }), 'node')} / ${sum(rate(NODE_METRICS.cpuSeconds), 'node')}`,
            legend: '{{node}}',
          },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Calls',
        description: 'Kuafu calls in a second, and those that failed. Failures beside a dead process are normal and are tried again.',
        unit: 'reqps',
        queries: [
          { expression: sum(rate(KUAFU_METRICS.calls, { side: 'server' })), legend: 'answered' },
          { expression: sum(rate(KUAFU_METRICS.calls, { side: 'server', code: not('OK') })), legend: 'failed' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Events',
        description:
          'Anomaly records that Shennong wrote since it was started, by alert: each step is one that began or ended. `feitian events` lists them.',
        unit: 'short',
        queries: [{ expression: sum(series(SHENNONG_METRICS.events), 'alert', 'status'), legend: '{{alert}} {{status}}' }],
      }),
    )
    .withPanel(
      stat({
        title: 'Files',
        description: 'Files in Pangu.',
        unit: 'short',
        expression: max(series(PANGU_MASTER_METRICS.files)),
      }),
    )
    .withPanel(
      stat({
        title: 'Bytes of files',
        description: 'Bytes of all files in Pangu, each counted once, whatever its replicas.',
        unit: 'bytes',
        expression: max(series(PANGU_MASTER_METRICS.fileBytes)),
      }),
    )
    .withPanel(
      stat({
        title: 'Nodes up',
        description: 'Nodes whose agent is registered.',
        unit: 'short',
        expression: sum(max(series(SHENNONG_METRICS.nodeUp), 'node')),
      }),
    )
    .withPanel(
      stat({
        title: 'Processes',
        description: 'Processes that Prometheus is told to scrape. It falls when processes die and rises when they are back.',
        unit: 'short',
        expression: max(series(SHENNONG_METRICS.targets)),
      }),
    )
    .withPanel(
      stat({
        title: 'Versions placed',
        description: 'Applications and versions that Dayu means to run, each counted once.',
        unit: 'short',
        expression: orZero(count(max(series(DAYU_MASTER_METRICS.placements), 'application', 'version'))),
      }),
    )
    .withPanel(
      stat({
        title: 'Processes that do not answer',
        description: 'Processes that are registered and do not tell their metrics: hanging, or just being started.',
        unit: 'short',
        limits: { red: 1 },
        expression: sum(`1 - ${series(PROMETHEUS_METRICS.up)}`),
      }),
    )
    .build();
}
