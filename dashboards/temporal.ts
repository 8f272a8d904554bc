import { type Dashboard, DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { graph } from './panels.ts';

/** The workflow engine from its own metrics endpoint: how much it is asked, how long it takes, how far behind it is. */
export function temporalDashboard(): Dashboard {
  return new DashboardBuilder('Feitian / Temporal')
    .uid('feitian-temporal')
    .tags(['feitian'])
    .refresh('10s')
    .time({ from: 'now-30m', to: 'now' })
    .withPanel(
      graph({
        title: 'Requests',
        description:
          'Calls a second that the server answers, by operation. Jobs show as RespondActivityTaskCompleted and RespondWorkflowTaskCompleted.',
        unit: 'reqps',
        queries: [
          { expression: 'topk(10, sum by (operation) (rate(service_requests{service_name="frontend"}[1m])))', legend: '{{operation}}' },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Latency, 99th percentile',
        description: 'Time to answer, without the long polls. Above 0.5 s jobs feel slow: the database is the usual cause.',
        unit: 's',
        queries: [
          {
            expression:
              'histogram_quantile(0.99, sum by (le, operation) (rate(service_latency_bucket{service_name="frontend", operation!~"Poll.*|GetWorkflowExecutionHistory"}[1m])))',
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
        queries: [
          {
            expression: 'histogram_quantile(0.99, sum by (le, operation) (rate(persistence_latency_bucket[1m])))',
            legend: '{{operation}}',
          },
        ],
      }),
    )
    .withPanel(
      graph({
        title: 'Waiting inside the server, 99th percentile',
        description:
          'From the moment a step is due to the moment the server turns to it, by kind. Above 0.1 s each step of a workflow waits.',
        unit: 's',
        queries: [
          { expression: 'histogram_quantile(0.99, sum by (le, operation) (rate(task_latency_queue_bucket[1m])))', legend: '{{operation}}' },
        ],
      }),
    )
    .build();
}
