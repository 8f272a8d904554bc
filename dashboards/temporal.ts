import { type Dashboard, RowBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { SHENNONG_METRICS } from '../services/shennong/metrics.ts';
import { board, type Settings, webLink, workflowList } from './board.ts';
import { TEMPORAL_SDK_METRICS as SDK, TEMPORAL_SERVER_METRICS as SERVER } from './foreign.ts';
import { graph } from './panels.ts';
import { max, not, quantile, rate, series, sum, top, unlike } from './promql.ts';

/** Calls that wait on purpose. */
const NO_POLLS = unlike('Poll.*|GetWorkflowExecutionHistory');
/** Of our own processes; the server has an SDK inside too. */
const OURS = { role: not('temporal') };

/** The workflow engine: what it holds, how much it is asked and how long it takes, and how far our workers are behind. */
export function temporalDashboard(settings: Settings): Dashboard {
  return board('temporal', 'Temporal', 'The workflow engine, and the workers that run our workflows.', settings)
    .link(webLink(workflowList('Jobs', 'fuxiJob')))
    .link(webLink(workflowList('Rollouts', 'dayuRollout')))
    .withRow(new RowBuilder('Workflows'))
    .withPanel(
      graph({
        title: 'Workflows',
        description: 'Executions that Temporal knows, by type and status. Ended ones go after the time that the namespace keeps them.',
        unit: 'short',
        queries: [{ expression: `${max(series(SHENNONG_METRICS.workflows), 'type', 'status')} > 0`, legend: '{{type}} {{status}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Duration of workflows, 95th percentile',
        description: 'From start to end, of workflows that ended, by type.',
        unit: 's',
        queries: [{ expression: quantile(0.95, SDK.workflowSeconds, ['workflow_type'], OURS), legend: '{{workflow_type}}' }],
      }),
    )
    .withRow(new RowBuilder('Workers'))
    .withPanel(
      graph({
        title: 'Workflow tasks waiting, 95th percentile',
        description: 'From a step being due to a worker taking it. Above 0.5 s there are too few workers, or they are too busy.',
        unit: 's',
        limits: { orange: 0.5, red: 5 },
        queries: [{ expression: quantile(0.95, SDK.workflowTaskWaitSeconds, ['task_queue'], OURS), legend: '{{task_queue}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Activities waiting, 95th percentile',
        description: 'From an activity being due to a worker taking it, by queue. `tubo:<node>` is the queue of one node.',
        unit: 's',
        limits: { orange: 1, red: 10 },
        queries: [{ expression: quantile(0.95, SDK.activityWaitSeconds, ['task_queue'], OURS), legend: '{{task_queue}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Time of a workflow task, 99th percentile',
        description: 'What a step of workflow code takes. Above 1 s Temporal takes the worker for dead soon.',
        unit: 's',
        limits: { orange: 1, red: 5 },
        queries: [{ expression: quantile(0.99, SDK.workflowTaskSeconds, ['workflow_type'], OURS), legend: '{{workflow_type}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Time of an activity, 95th percentile',
        description: 'What activities take, by type. runBatch is the work of jobs itself and takes as long as that.',
        unit: 's',
        queries: [{ expression: quantile(0.95, SDK.activitySeconds, ['activity_type'], OURS), legend: '{{activity_type}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Failures',
        description: 'Workflow tasks that failed in a second (non-determinism and bugs: look at once), and attempts of activities.',
        unit: 'ops',
        queries: [
          {
            expression: sum(rate(SDK.workflowTasksFailed, OURS), 'workflow_type', 'failure_reason'),
            legend: '{{workflow_type}} {{failure_reason}}',
          },
          { expression: sum(rate(SDK.activitiesFailed, OURS), 'activity_type'), legend: '{{activity_type}}' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Slots taken',
        description: 'The share of its slots that a worker uses, by kind. At 100 % more work waits although the process may be idle.',
        unit: 'percentunit',
        limits: { red: 1 },
        queries: [
          {
            expression: `${sum(series(SDK.slotsUsed, OURS), 'role', 'worker_type')} / (${sum(series(SDK.slotsUsed, OURS), 'role', 'worker_type')} + ${sum(series(SDK.slotsAvailable, OURS), 'role', 'worker_type')})`,
            legend: '{{role}} {{worker_type}}',
          },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Workflows in memory',
        description: 'Workflows that workers keep ready. One that is not kept is replayed from its history at its next step.',
        unit: 'short',
        queries: [{ expression: sum(series(SDK.cached, OURS), 'role'), legend: '{{role}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Requests to the server',
        description: 'What our workers ask of the server in a second, the ten most frequent.',
        unit: 'reqps',
        queries: [{ expression: top(10, sum(rate(SDK.requests, OURS), 'operation')), legend: '{{operation}}' }],
      }),
    )
    .withRow(new RowBuilder('Server'))
    .withPanel(
      graph({
        title: 'Requests',
        description:
          'Calls a second that the server answers, by operation. Jobs show as RespondActivityTaskCompleted and RespondWorkflowTaskCompleted.',
        unit: 'reqps',
        queries: [{ expression: top(10, sum(rate(SERVER.requests, { service_name: 'frontend' }), 'operation')), legend: '{{operation}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Latency, 99th percentile',
        description: 'Time to answer, without the long polls. Above 0.5 s jobs feel slow: the database is the usual cause.',
        unit: 's',
        limits: { orange: 0.5, red: 2 },
        queries: [
          {
            expression: quantile(0.99, SERVER.latencySeconds, ['operation'], { service_name: 'frontend', operation: NO_POLLS }),
            legend: '{{operation}}',
          },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Database latency, 99th percentile',
        description: 'Time of the calls to the database of the server, by operation.',
        unit: 's',
        queries: [{ expression: quantile(0.99, SERVER.databaseLatencySeconds, ['operation']), legend: '{{operation}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Waiting inside the server, 99th percentile',
        description:
          'From the moment a step is due to the moment the server turns to it, by kind. Above 0.1 s each step of a workflow waits.',
        unit: 's',
        limits: { orange: 0.1, red: 1 },
        queries: [{ expression: quantile(0.99, SERVER.queueLatencySeconds, ['operation']), legend: '{{operation}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Errors',
        description: 'Calls that ended in an error, by kind. NotFound after a restart of a worker is normal.',
        unit: 'reqps',
        queries: [{ expression: sum(rate(SERVER.errors), 'error_type'), legend: '{{error_type}}' }],
      }),
    )
    .withPanel(
      graph({
        title: 'Database requests',
        description: 'Calls to the database of the server in a second, by its parts.',
        unit: 'reqps',
        queries: [{ expression: sum(rate(SERVER.databaseRequests), 'service_name'), legend: '{{service_name}}' }],
      }),
    )
    .build();
}
